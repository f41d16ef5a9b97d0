/*
 * Reads every system-register access of mini-kvm out of its source, with the Linux 4.10 function each one names, compares
 * them with linux-4.10.txt (the accesses of that function in 4.10, in order), and prints ACCESSES.md.
 *
 *   node mini-kvm/accesses.mjs            writes mini-kvm/ACCESSES.md
 *   node mini-kvm/accesses.mjs --check    compares it, exit code 1 if it differs
 *
 * A defect (exit code 1): an access that 4.10's function does not have, one that it has and we leave out without a
 * reason, another order, or an MRS, MSR, TLBI, AT, HVC or ERET that names no function.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const guests = dirname(here);
const BUILDS = ['nvhe', 'vhe'];
const defects = [];

/* ---- the source -------------------------------------------------------------------------------------------------- */

const files = (folder) =>
  readdirSync(join(guests, folder), { withFileTypes: true })
    .filter((e) => e.isFile() && /\.[chS]$/.test(e.name))
    .map((e) => join(folder, e.name))
    .sort();

/** Lines that a build sees: `#if VHE`, `#if !VHE`, `#else`, `#endif` are evaluated, other conditions taken as true. */
function* visible(text, build) {
  const stack = [];
  let number = 0;
  for (const line of text.split('\n')) {
    number++;
    const directive = /^\s*#\s*(if|ifdef|ifndef|else|endif)\b\s*(.*)/.exec(line);
    if (directive) {
      const [, word, condition] = directive;
      if (word === 'endif') stack.pop();
      else if (word === 'else') {
        const top = stack.at(-1);
        if (top !== null) stack[stack.length - 1] = !top;
      } else if (/^!?VHE$/.test(condition.trim())) stack.push((build === 'vhe') === !condition.trim().startsWith('!'));
      else stack.push(null);
      continue;
    }
    if (stack.every((s) => s !== false)) yield [number, line];
  }
}

const NAMES = new Map([
  ['S3_4_C12_C9_5', 'ICC_SRE_EL2'],
  ['S3_4_C12_C11_0', 'ICH_HCR_EL2'],
]);
const register = (name) => NAMES.get(name) ?? (name.startsWith('S3_') ? name : name.replace(/##n##/, '<n>').replace(/kind<n>/, 'DBG<x><n>'));
const upper = (name) => (name.startsWith('S3_') ? register(name) : name === 'CurrentEL' ? name : name.toUpperCase());

const FORMS = [
  [/\bsysreg_read\((\w[\w#]*),\s*"([\w.]+)"\)/g, (m) => [`r ${register(m[1])}`, m[2]]],
  [/\bsysreg_read_(el[012])\((\w+),\s*"([\w.]+)"\)/g, (m) => [`r ${m[2]}@${m[1]}`, m[3]]],
  [/\bsysreg_write\((\w[\w#]*),[^;]*"([\w.]+)"\);/g, (m) => [`w ${register(m[1])}`, m[2]]],
  [/\bsysreg_write_(el[012])\((\w+),[^;]*"([\w.]+)"\);/g, (m) => [`w ${m[2]}@${m[1]}`, m[3]]],
  [/\bgich_read\([^,]+,\s*(GICH_\w+)[^,]*,\s*"([\w.]+)"\)/g, (m) => [`r ${m[1]}`, m[2]]],
  [/\bgich_write\([^,]+,\s*(GICH_\w+)[^;]*"([\w.]+)"\);/g, (m) => [`w ${m[1]}`, m[2]]],
  [/\bsys_instruction0?\("([a-z0-9 ]+)",[^;]*"([\w.]+)"\);/g, (m) => [m[1], m[2]]],
  [/^\s*(?:\w+:\s*)?sys_read\s+\w+,\s*(\w+),\s*([\w.]+)/g, (m) => [`r ${upper(m[1])}`, m[2]]],
  [/^\s*(?:\w+:\s*)?sys_write\s+(\w+),\s*\w+,\s*([\w.]+)/g, (m) => [`w ${upper(m[1])}`, m[2]]],
  [/^\s*sys_instruction\s+"([a-z0-9 ]+)",\s*([\w.]+)/g, (m) => [m[1], m[2]]],
  [/^\s*(?:\w+:\s*)?sys_(eret|hvc)\s+([\w.]+)/g, (m) => [m[1], m[2]]],
];
const DEFINES = new Set(['lib/sysreg.h', 'lib/asm.h', 'mini-kvm/accessors.h']);

/** function -> [{ access, at }] in source order */
function scan(build) {
  const found = new Map();
  for (const file of [...files('lib'), ...files('mini-kvm'), ...files('mini-kvm/hyp')]) {
    const text = readFileSync(join(guests, file), 'utf8').replace(/\/\*(?! 4\.10:)[\s\S]*?\*\//g, (c) => c.replace(/[^\n]/g, ' '));
    /* A C statement may run over several lines: join what follows an open parenthesis. */
    let pending = '', start = 0;
    for (const [number, raw] of visible(text, build)) {
      let line = raw;
      if (pending) line = pending + ' ' + raw.trim();
      else start = number;
      const open = (line.match(/\(/g) ?? []).length > (line.match(/\)/g) ?? []).length;
      if (open && /\b(sysreg_|gich_|sys_instruction)/.test(line) && !raw.trimEnd().endsWith('\\')) {
        pending = line;
        continue;
      }
      pending = '';
      const hits = [];
      if (!(DEFINES.has(file) && /^\s*#define|\\$/.test(raw)))
        for (const [form, name] of FORMS) for (const m of line.matchAll(form)) hits.push([m.index, ...name(m)]);
      /* In `write(X, read(X) & ..)` the read comes first. */
      hits.sort((a, b) => a[0] - b[0]);
      if (hits.length === 2 && hits[0][1].startsWith('w ') && hits[1][1].startsWith('r ')) hits.reverse();
      for (const [, access, fn] of hits) {
        if (!found.has(fn)) found.set(fn, []);
        found.get(fn).push({ access, at: `${file}:${start}` });
      }
      const bare = /(?:^\s*|"|:\s)(mrs|msr|tlbi|at s1|at S1|hvc|smc|eret)\b/.exec(raw);
      if (bare && !hits.length && !DEFINES.has(file) && !/4\.10: \w+/.test(raw) && !/SMCCC\(|strcmp|fdt_put/.test(raw))
        defects.push(`${file}:${number}: names no function: ${raw.trim()}`);
    }
  }
  return found;
}

/* ---- 4.10 -------------------------------------------------------------------------------------------------------- */

/** linux-4.10.txt: `# source`, `function [build]`, indented accesses. `-` not here (reason), `?` not on the plain path. */
function facts() {
  const functions = [];
  let source = '', current;
  for (const line of readFileSync(join(here, 'linux-4.10.txt'), 'utf8').split('\n')) {
    if (!line.trim() || line.startsWith(';')) continue;
    if (line.startsWith('# ')) source = line.slice(2).trim();
    else if (!line.startsWith(' ')) {
      const [, name, build] = /^([\w.]+)(?:\s+\[(\w+)\])?$/.exec(line.trim());
      functions.push((current = { name, source, builds: build ? [build] : BUILDS, accesses: [] }));
    } else {
      const [, mark, build, access, reason] = /^\s+([-?]?)\s*(?:\[(\w+)\]\s*)?([^:]+?)(?:\s*:\s*(.*))?$/.exec(line);
      if (mark === '-' && !reason) defects.push(`linux-4.10.txt: ${current.name}: ${access} is left out without a reason`);
      current.accesses.push({ access, reason, here: mark !== '-', plain: mark === '', builds: build ? [build] : BUILDS });
    }
  }
  return functions;
}

function compare(build, found, functions) {
  const known = new Set();
  for (const f of functions.filter((f) => f.builds.includes(build))) {
    const wanted = f.accesses.filter((a) => a.here && a.builds.includes(build)).map((a) => a.access);
    const have = (found.get(f.name) ?? []).map((a) => a.access);
    known.add(f.name);
    if (wanted.join('\n') !== have.join('\n'))
      defects.push(`${build}: ${f.name}: 4.10 has [${wanted.join(', ')}], mini-kvm has [${have.join(', ')}]`);
  }
  for (const [name, accesses] of found)
    if (!known.has(name)) defects.push(`${build}: ${name}: not in linux-4.10.txt: ${accesses.map((a) => `${a.access} (${a.at})`).join(', ')}`);
}

/* ---- the plain path ---------------------------------------------------------------------------------------------- */

/** One hypercall of the VM, no list register in use, no FP, no debug: the functions in the order they run. */
const PATH = {
  nvhe: (gic) => [
    'HVC of the VM', 'el1_sync:exit', 'el1_trap', '__guest_exit', '__populate_fault_info', '__fpsimd_enabled_nvhe',
    '__sysreg_save_state', '__sysreg_save_common_state', '__sysreg32_save_state', '__timer_save_state',
    `__vgic_${gic}_save_state`, '__vgic_save_state', '__deactivate_traps_nvhe', '__deactivate_traps', '__deactivate_vm',
    '__sysreg_restore_state', '__sysreg_restore_common_state', 'el1_sync:return',
    '__kvm_call_hyp', 'el1_sync:exit', '__kvm_vcpu_run', '__sysreg_save_state', '__sysreg_save_common_state',
    '__activate_traps', '__activate_traps_nvhe', '__activate_vm', '__vgic_restore_state', `__vgic_${gic}_restore_state`,
    '__timer_restore_state', '__sysreg32_restore_state', '__sysreg_restore_state', '__sysreg_restore_common_state',
    '__guest_enter',
  ],
  vhe: (gic) => [
    'HVC of the VM', 'el1_sync:exit', 'el1_trap', '__guest_exit', '__populate_fault_info', '__fpsimd_enabled_vhe',
    '__sysreg_save_state', '__sysreg_save_common_state', '__sysreg32_save_state', '__timer_save_state',
    `__vgic_${gic}_save_state`, '__vgic_save_state', '__deactivate_traps_vhe', '__deactivate_traps', '__deactivate_vm',
    '__sysreg_restore_common_state',
    '__kvm_vcpu_run', '__sysreg_save_common_state',
    '__activate_traps', '__activate_traps_vhe', '__activate_vm', '__vgic_restore_state', `__vgic_${gic}_restore_state`,
    '__timer_restore_state', '__sysreg32_restore_state', '__sysreg_restore_state', '__sysreg_restore_common_state',
    '__guest_enter',
  ],
};

/** EL1 registers that trap from nVHE vEL2 under NV, NV1, TVM, TRVM, TCPAC (those of the VM's EL1 state). */
const VM_EL1 = /^(SCTLR|TTBR0|TTBR1|TCR|ESR|AFSR0|AFSR1|FAR|MAIR|AMAIR|CONTEXTIDR|CPACR|VBAR|ELR|SPSR)@el1$/;

/** Does the access trap when vEL2 is at EL1 of an Armv8.3 PE (every EL2 register, ERET, and what the host adds)? */
function traps(build, access) {
  if (access === 'eret' || access === 'hvc') return true;
  const name = access.slice(2);
  if (/_EL2$|^GICH_|^SP_EL1$/.test(name)) return true;
  if (/^(ACTLR_EL1|MDSCR_EL1|PMSELR_EL0|PMUSERENR_EL0)$/.test(name)) return true; /* TACR, TDA, TPM */
  if (build === 'nvhe') return VM_EL1.test(name) || name.endsWith('@el2');
  return /@el1$|@el0$/.test(name); /* _EL12, _EL02 */
}

function count(build, gic, functions) {
  let total = 0;
  const steps = [];
  for (const step of PATH[build](gic)) {
    if (step === 'HVC of the VM') {
      total++;
      steps.push([step, 1, total]);
      continue;
    }
    const [name, part] = step.split(':');
    const f = functions.find((g) => g.name === name && g.builds.includes(build));
    let accesses = f.accesses.filter((a) => a.here && a.plain && a.builds.includes(build)).map((a) => a.access);
    if (part) accesses = accesses.filter((a) => (a === 'eret') === (part === 'return'));
    const n = accesses.filter((a) => traps(build, a)).length;
    total += n;
    steps.push([step, n, total]);
  }
  return { total, steps };
}

/* ------------------------------------------------------------------------------------------------------------------ */

function render(functions) {
  const out = [
    '# Accesses of mini-kvm and the functions of Linux 4.10 they mirror',
    '',
    'Made by `node guests/mini-kvm/accesses.mjs` from the source and `linux-4.10.txt`; not edited by hand. `r` read, `w` write;',
    '`X@el1` is the register of the VM (`X_EL1`, in the VHE build `X_EL12`), `X@el2` the hypervisor\'s own (`X_EL2`; VHE `X_EL1`),',
    '`X@el0` the VM\'s timer (`X_EL0`; VHE `X_EL02`). Struck out: an access of 4.10 that is not here, with the reason. `?`: only',
    'under a condition that does not hold for a plain hypercall.',
    '',
    '## One hypercall',
    '',
    'Traps to expect when mini-kvm runs in vEL2 of an Armv8.3 host that sets NV, NV1 (nVHE), TVM, TRVM, TCPAC, TACR, TDA and TPM:',
    'no list register in use, no FP, debug not dirty. Counted over the table below; for VHE without TVM, TRVM and TCPAC, which',
    'would make the EL1 names of the hypervisor\'s own registers trap too.',
    '',
    '| step | nVHE, GICv2 | nVHE, GICv3 | | VHE, GICv2 | VHE, GICv3 |',
    '|---|---|---|---|---|---|',
  ];
  const c = Object.fromEntries(BUILDS.flatMap((b) => ['v2', 'v3'].map((g) => [b + g, count(b, g, functions)])));
  const rows = Math.max(c.nvhev2.steps.length, c.vhev2.steps.length);
  for (let i = 0; i < rows; i++) {
    const n = c.nvhev2.steps[i], v = c.vhev2.steps[i];
    const short = (s) => (s ? s[0].replace(/_v2_/, '_v*_').replace(/^__/, '\\_\\_') : '');
    out.push(`| ${short(n)} | ${n ? n[1] : ''} | ${c.nvhev3.steps[i]?.[1] ?? ''} | ${short(v)} | ${v ? v[1] : ''} | ${c.vhev3.steps[i]?.[1] ?? ''} |`);
  }
  out.push(`| **total** | **${c.nvhev2.total}** | **${c.nvhev3.total}** | | **${c.vhev2.total}** | **${c.vhev3.total}** |`, '');
  let source = '';
  for (const f of functions) {
    if (f.source !== source) {
      source = f.source;
      out.push('', `## ${source}`, '', '| function | accesses, in order |', '|---|---|');
    }
    const cells = f.accesses.map((a) => {
      const only = a.builds.length === 1 ? ` (${a.builds[0] === 'vhe' ? 'VHE' : 'nVHE'})` : '';
      return a.here ? `${a.access}${a.plain ? '' : '?'}${only}` : `~~${a.access}~~ (${a.reason})`;
    });
    const only = f.builds.length === 1 ? (f.builds[0] === 'vhe' ? ', VHE' : ', nVHE') : '';
    out.push(`| \`${f.name}\`${only} | ${cells.join(' · ')} |`);
  }
  return out.join('\n') + '\n';
}

const functions = facts();
for (const build of BUILDS) compare(build, scan(build), functions);
const text = defects.length ? '' : render(functions);
const target = join(here, 'ACCESSES.md');
if (!defects.length && process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) defects.push('ACCESSES.md is not up to date');
} else if (!defects.length) {
  writeFileSync(target, text);
}
for (const d of new Set(defects)) console.error(d);
process.exitCode = defects.length ? 1 : 0;
