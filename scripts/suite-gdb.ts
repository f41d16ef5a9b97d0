/**
 * Debian's gdb-multiarch against `nidus gdb`: scripted sessions whose output is checked line by line.
 *
 *   node scripts/suite-gdb.ts [--only NAME,..] [--transcript]
 *
 * Sessions: `restart` (GDB's `run`), `bare` (mini-kvm at the machine's EL2, bench as L2), `nested` (the same two in a VM of L0), `linux` (Debian 6.12 as L1 in a VM, Debian 5.10
 * as L2). `--transcript` prints what GDB said. Exit status 1 if something is missing.
 */
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { unwrapImage } from '../src/arch/image/compressed.ts'
import { decompress } from '../src/cli/decompress.ts'
import { debianImage } from '../src/cli/debian/image.ts'
import { loadVmm } from '../src/cli/guest-images.ts'
import { LINUX_QUIET, vmmInitramfs } from '../src/lab/linux.ts'

interface Step { readonly command: string, /** In the output of this command, in this order. */ readonly expect?: readonly RegExp[] }
interface Session { readonly name: string, readonly run: readonly string[], readonly steps: readonly Step[], readonly seconds: number }

const step = (command: string, ...expect: readonly RegExp[]): Step => ({ command, expect })
const BUILT = 'guests/built'

/** What both sessions with the small guests do; `guest` is how L1 is called. */
const nest = (image: string, hypervisorEl: string): readonly Step[] => [
  step('inferior 2'),
  step(`file ${image}`),
  step('inferior 3'),
  step(`file ${BUILT}/bench.elf`),
  step('break guest_main', /Breakpoint 1 at .*2 locations/),
  step('inferior 1'),
  step('continue', /Thread 2\.1 "L1" hit Breakpoint 1\.1.*guest_main/),
  step('p/x $CurrentEL', new RegExp(`= ${hypervisorEl}`)),
  step('continue', /Thread 3\.1 "L2" hit Breakpoint 1\.2.*guest_main/),
  step('info threads', /1\.1 .*runs L2/, /2\.1 .*stands where it entered its VM.*__guest_enter/, /\* 3\.1 .*on PE 0, EL1/),
  step('p/x $CurrentEL', /= 0x4/),
  step('backtrace', /#0 .*guest_main/, /#1 .*_start/),
  step('x/i $pc', /=> 0x40205230 <guest_main>:\s+stp\s+x29, x30/),
  step('monitor xlate $pc', /^L2 VA 0x40205230 .*stage 1 is off/m, /= L2 IPA 0x40205230/, /^L2 IPA 0x40205230 .*L1's VTTBR_EL2/m, /level 3 at .*: /),
  step('inferior 2', /__guest_enter/),
  step('x/i $pc', /=> .*<__guest_enter\+[0-9]+>:\s+eret/),
  step('p/x $VTTBR_EL2', /= 0x1000040/),
  step('monitor xlate $pc', /L1 VA 0x40208060 .*TTBR/, /level [123] at .*(page|block)/, /= /),
  step('inferior 3'),
  step('watch *(long*)&memory_end', /Hardware watchpoint 2/),
  step('continue', /Thread 3\.1 "L2" hit Hardware watchpoint 2/, /Old value = 0/, /New value = [1-9]/),
  step('x/i $pc-4', /str\s+x4, \[x23, #624\]/),
  step('delete 2'),
  step('break *(long)&kernel_irq', /Breakpoint 3/),
  step('continue', /Thread 3\.1 "L2" hit Breakpoint 3.*kernel_irq/),
  step('delete 3'),
  step('inferior 2'),
  step('p/x $ESR_EL2', /= 0x[0-9a-f]+/),
  step('p/x $ICH_LR0_EL2', /= 0x[1-9a-f][0-9a-f]+/),
  step('monitor registers ICH_VMCR*', /ICH_VMCR_EL2 +0x[0-9a-f]{16} .*VPMR/),
  step('inferior 3'),
  step('hbreak smccc_hvc', /Hardware assisted breakpoint 4/),
  step('continue', /Thread 3\.1 "L2" hit Breakpoint 4.*smccc_hvc/),
  step('x/i $pc', /=> .*<smccc_hvc>:\s+hvc/),
  step('delete 4'),
  // A trap: L1 handles it while GDB steps.
  step('stepi', /smccc_hvc/),
  step('x/i $pc', /=> .*<smccc_hvc\+4>:\s+ret/),
  // And back over it.
  step('reverse-stepi', /smccc_hvc/),
  step('x/i $pc', /=> .*<smccc_hvc>:\s+hvc/),
  step('stepi', /smccc_hvc/),
  step('finish', /guest_main/),
  step('monitor who-trapped 40', /HVC/, /__guest_enter|ERET|EL1 to EL2/),
  step('inferior 1'),
  step('p/x $ID_AA64MMFR2_EL1', /= 0x[1-9a-f]/),
  step('p $v0', /d = \{f = \{/),
  step('set $x5 = 0x1234'),
  step('p/x $x5', /= 0x1234/),
  step('monitor levels', /^1 {2}machine/m, /^2 {2}L1/m, /^3 {2}L2/m),
  step('info registers gic', /ICC_PMR_EL1/, /ICH_LR15_EL2/),
  step('delete'),
  step('kill inferiors 1'),
]

const bare: Session = {
  name: 'bare', seconds: 100, run: [`${BUILT}/mini-kvm-nvhe.elf`, '--el2', '--initrd', `${BUILT}/bench`, '--append', 'vcpus=1'], steps: nest(`${BUILT}/mini-kvm-nvhe.elf`, '0x4'),
}
const nested: Session = {
  name: 'nested', seconds: 100, run: [`${BUILT}/mini-kvm-vhe.elf`, '--on', 'vm', '--el2', '--arch', 'v8.4', '--smp', '2', '--initrd', `${BUILT}/bench`, '--append', 'vcpus=2'],
  steps: nest(`${BUILT}/mini-kvm-vhe.elf`, '0x8'),
}

/** GDB's `run`: the same machine from its beginning, with the breakpoints of before. */
const restart: Session = {
  name: 'restart', seconds: 100, run: [`${BUILT}/bench.elf`, '--smp', '2'],
  steps: [
    step(`file ${BUILT}/bench.elf`),
    step('break guest_main', /Breakpoint 1/),
    step('continue', /hit Breakpoint 1.*guest_main/),
    step('stepi 5', /0x/),
    step('run', /hit Breakpoint 1.*guest_main/),
    step('watch *(long*)&memory_end', /Hardware watchpoint 2/),
    step('continue', /hit Hardware watchpoint 2/, /Old value = 0/),
    step('reverse-continue', /No more reverse-execution history|hit Breakpoint 1|Hardware watchpoint 2/),
    step('delete'),
    step('continue', /exited normally/),
    step('break guest_main', /Breakpoint 3/),
    step('run', /hit Breakpoint 3.*guest_main/),
    step('kill', /killed/),
  ],
}

/** No symbols: addresses are those of the architecture (vectors) and of the boot protocol. */
async function linux(folder: string): Promise<Session> {
  const l2 = await debianImage('debian:5.10')
  const initrd = join(folder, 'l1.cpio')
  writeFileSync(initrd, vmmInitramfs(loadVmm(), { kernel: await unwrapImage(l2.image, decompress), initrd: l2.initrd }))
  return {
    name: 'linux', seconds: 400,
    run: ['debian:6.12', '--on', 'vm', '--el2', '--arch', 'v8.4', '--mem', '1G', '--initrd', initrd, '--append', `${LINUX_QUIET} -- vcpus=1 initrd=/initrd memory=384 "append=quiet do=boot"`],
    steps: [
      step('inferior 3'),
      // The kernel's first instruction, at the address of L2's RAM: its header's branch.
      step('hbreak *0x40200000', /Hardware assisted breakpoint 1/),
      step('inferior 1'),
      step('continue', /Thread 3\.1 "L2" hit Breakpoint 1, 0x0*40200000/),
      step('x/2i $pc', /=> 0x40200000/),
      step('monitor xlate $pc', /^L2 VA 0x40200000/m, /L1's VTTBR_EL2/, /^L1 IPA 0x/m, /by L0's table/, /= PA 0x/),
      step('delete'),
      step('inferior 2', /0xffff/),
      step('p/x $CurrentEL', /= 0x8/),
      step('x/i $pc', /=> 0xffff[0-9a-f]+:\s+eret/),
      step('monitor xlate $pc', /L1 VA 0xffff[0-9a-f]+ .*TTBR1_EL2/, /block|page/, /= PA 0x/),
      step('p/x $VBAR_EL2', /= 0xffff/),
      // L2's exits, in L1: KVM's vector for a lower EL.
      step('inferior 2'),
      step('hbreak *($VBAR_EL2 + 0x400)', /Hardware assisted breakpoint/),
      step('continue', /Thread 2\.1 "L1" hit Breakpoint/),
      step('p/x $ESR_EL2 >> 26', /= 0x(1|16|18|20|24)\b/),
      step('x/2i $pc', /=> 0xffff/),
      step('info threads', /\* 2\.1 .*on PE 0, EL2/, /3\.1 .*stands where it left to its hypervisor/),
      step('delete'),
      step('monitor who-trapped 3 L2', /L2 vCPU 0 on PE 0 {2}PC 0x/),
      // Names from the table of symbols in L1's own Image.
      step('monitor who-trapped 20 vEL2', /PC 0xffff[0-9a-f]+ <\w+/),
      step('kill inferiors 1'),
    ],
  }
}

const { values } = parseArgs({ options: { only: { type: 'string' }, transcript: { type: 'boolean', default: false } } })
const MARK = 'nidus-step'

async function play(session: Session, folder: string): Promise<readonly string[]> {
  const socket = join(folder, `${session.name}.sock`), script = join(folder, `${session.name}.gdb`)
  const errors: string[] = []
  const server = spawn(process.execPath, ['--no-warnings', 'bin/nidus.js', 'gdb', ...session.run, '--gdb', `unix:${socket}`], { stdio: ['ignore', 'ignore', 'pipe'] })
  server.stderr.on('data', (bytes: Buffer) => { errors.push(bytes.toString()) })
  try {
    for (let i = 0; i < 600 && !existsSync(socket); i++) await new Promise<void>(resolve => { setTimeout(resolve, 100) })
    if (!existsSync(socket)) return [`nidus gdb did not come up: ${errors.join('')}`]
    writeFileSync(script, [
      'set pagination off', 'set confirm off', 'set width 0', 'set style enabled off', 'source docs/nidus.gdb', `nidus ${socket}`, 'set breakpoint pending off',
      ...session.steps.flatMap(({ command }, i) => [`echo \\n${MARK} ${i}\\n`, command]),
    ].join('\n'))
    const text = await new Promise<string>(resolve => {
      // One file: what GDB says on stdout and on stderr stays in order.
      const log = openSync(join(folder, `${session.name}.log`), 'w')
      const gdb = spawn('gdb-multiarch', ['-nx', '-q', '-batch', '-x', script], { stdio: ['ignore', log, log] })
      const timer = setTimeout(() => { gdb.kill('SIGKILL') }, session.seconds * 1000)
      gdb.on('close', () => {
        clearTimeout(timer)
        closeSync(log)
        resolve(readFileSync(join(folder, `${session.name}.log`), 'utf8'))
      })
    })
    if (values.transcript) console.log(text.replaceAll(new RegExp(`\\n${MARK} (\\d+)\\n`, 'g'), (_, i: string) => `\n(gdb) ${session.steps[Number(i)]!.command}\n`))
    return session.steps.flatMap(({ command, expect = [] }, i) => {
      const from = text.indexOf(`\n${MARK} ${i}\n`), to = text.indexOf(`\n${MARK} ${i + 1}\n`)
      if (from < 0) return [`'${command}' was not reached`]
      const output = text.slice(from, to < 0 ? undefined : to)
      let at = 0
      for (const expression of expect) {
        const found = expression.exec(output.slice(at))
        if (found === null) return [`'${command}' should say ${expression}:\n${output.slice(0, 1500)}`]
        at += found.index + found[0].length
      }
      return []
    })
  } finally {
    server.kill('SIGKILL')
  }
}

if (spawnSync('gdb-multiarch', ['--version']).status !== 0) throw new Error('gdb-multiarch is missing: scripts/install-oracles.sh brings it')
const folder = mkdtempSync(join(tmpdir(), 'nidus-gdb-'))
try {
  const wanted = values.only?.split(',') ?? ['restart', 'bare', 'nested', 'linux']
  for (const name of wanted) {
    const session = name === 'restart' ? restart : name === 'bare' ? bare : name === 'nested' ? nested : await linux(folder)
    const wrong = await play(session, folder)
    console.log(wrong.length === 0 ? `ok      ${session.name}: ${session.steps.length} commands` : `FAILED  ${session.name}:\n  ${wrong.join('\n  ')}`)
    if (wrong.length > 0) process.exitCode = 1
  }
} finally { rmSync(folder, { recursive: true }) }
