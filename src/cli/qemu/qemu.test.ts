import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { BadInput } from '../../arch/bad-input.ts'
import { answerTo } from './answers.ts'
import { parseCommandLine } from './command-line.ts'
import { DRIVERS } from './devices.ts'
import { testDevice } from './files.ts'
import { pairsOf, sizeOf } from './keyed.ts'
import { CPUS, MACHINE_KEYS } from './machines.ts'
import { OPTIONS } from './options.ts'
import { Places } from './places.ts'
import { serialOf } from './run.ts'

/** What `qemu-system-aarch64 -help` of QEMU 10.0 lists. */
const OF_QEMU = `preconfig D L S accel action add-fd append audio audiodev bios blockdev boot cdrom chardev compat cpu d daemonize debugcon device dfilter display drive dtb dump-vmstate echr enable-kvm
  enable-sync-profile fda fsdev full-screen fw_cfg gdb global h hda hdc icount incoming initrd iscsi jitdump k kernel loadvm m machine mem-path mem-prealloc mon monitor msg mtdblock name net netdev nic no-reboot no-shutdown
  no-user-config nodefaults nographic numa object old-param only-migratable option-rom overcommit parallel perfmap pflash pidfile plugin qmp qmp-pretty readconfig rtc run-with s sandbox sd seed semihosting
  semihosting-config serial set shim smbios smp snapshot spice tpmdev trace usb usbdevice uuid version vga virtfs vnc watchdog-action xen-attach xen-domid xen-domid-restrict`.split(/\s+/)
const OF_VIRT = `acpi append compact-highmem default-bus-bypass-iommu dtb-kaslr-seed dtb-randomness dtb dump-guest-core dumpdtb firmware gic-version graphics highmem-ecam highmem-mmio-size highmem-mmio highmem-redists highmem initrd
  iommu its kernel mem-merge memory-backend memory-encryption mte ras secure suppress-vmdesc usb virtualization x-oem-id x-oem-table-id aux-ram-share confidential-guest-support`.split(/\s+/)

const parse = (text: string) => parseCommandLine(text.split(' '))
const VIRT = '-M virt -cpu cortex-a57'

describe('the table of options', () => {
  test('has every option of QEMU once, and says of each what becomes of it', () => {
    const names = OPTIONS.flatMap(row => row.names)
    expect(OF_QEMU.filter(name => !names.includes(name))).toEqual([])
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
    expect(OPTIONS.filter(row => row.what === '' || (row.effect === 'mapped') !== (row.apply !== undefined))).toEqual([])
  })

  test('has every property of the machine', () => { expect(OF_VIRT.filter(name => !Object.hasOwn(MACHINE_KEYS, name))).toEqual([]) })

  test('is what docs/qemu.md says', () => {
    const page = readFileSync('docs/qemu.md', 'utf8')
    for (const { names } of OPTIONS) for (const name of names) expect(page, name).toContain(`\`-${name}\``)
    for (const cpu of Object.keys(CPUS)) expect(page, cpu).toContain(`\`${cpu}\``)
  })

  test('every refused option ends with its reason, every ignored one is named', () => {
    for (const { names: [name], takesValue, effect, what } of OPTIONS) {
      const run = (): readonly string[] => parse(`${VIRT} -${name}${takesValue ? ' x' : ''}`).warnings
      if (effect === 'refused') expect(run, name).toThrow(what)
      else if (effect === 'ignored') expect(run(), name).toEqual([`-${name}${takesValue ? ' x' : ''}: ${what}`])
      else if (effect === 'accepted') expect(run(), name).toEqual([])
    }
  })
})

describe('values', () => {
  test.each([
    ['virt,gic-version=3', 'type', [['type', 'virt'], ['gic-version', '3']]],
    ['file=a,,b,ro', undefined, [['file', 'a,b'], ['ro', 'on']]],
    ['x,nomux', 'k', [['k', 'x'], ['mux', 'off']]],
    ['a=b=c', undefined, [['a', 'b=c']]],
  ])('%s', (text, implied, pairs) => { expect(pairsOf('-x', text, implied)).toEqual(pairs) })

  test.each([['512', 'M', 512 << 20], ['2G', 'M', 2 ** 31], ['64k', 'B', 65536], ['0x100', 'B', 256], ['1.5G', 'M', 1.5 * 2 ** 30]] as const)('%s is a size', (text, unit, bytes) => { expect(sizeOf('-m', text, unit)).toBe(bytes) })
})

describe('command lines', () => {
  test('a kernel', () => {
    const c = parse(`-machine virt,virtualization=on,gic-version=3,highmem=off -cpu max,sve=off --nographic -smp 4 -m 1G -kernel Image -initrd i.gz -append console=ttyAMA0 -nodefaults -no-reboot -monitor none`)
    expect(c).toMatchObject({ gic: 3, el2: true, cpus: 4, memBytes: 2 ** 30, kernel: 'Image', initrd: 'i.gz', append: 'console=ttyAMA0', reboot: false, cpu: { profile: 'v8.4' } })
    expect(serialOf(c)).toEqual({ kind: 'terminal', mux: true })
    expect(c.warnings).toEqual(['-cpu max is profile v8.4: without SVE, SME, MTE and what came after v8.4'])
  })

  test("QEMU's defaults", () => {
    expect(parse(VIRT)).toMatchObject({ gic: 2, el2: false, cpus: 1, memBytes: 2 ** 27, reboot: true, warnings: [] })
    expect(parse('-M virt').warnings[0]).toContain('cortex-a57')
    expect(parse(`${VIRT} -smp sockets=2,cores=2,threads=1`).cpus).toBe(4)
  })

  test('disks, firmware, networks and characters', () => {
    const c = parse(`${VIRT} -drive file=a.img,if=none,id=d0,format=raw,readonly=on -device virtio-blk-device,drive=d0 -drive if=pflash,unit=1,file=v.fd -blockdev driver=file,filename=b,node-name=f -blockdev driver=raw,file=f,node-name=r
      -netdev user,id=n,hostfwd=tcp::8080-:80 -device virtio-net-pci,netdev=n -chardev file,path=log,id=c -serial chardev:c -fw_cfg name=opt/a,string=b disk.img`.replaceAll(/\s+/g, ' '))
    expect(c.drives.map(({ id, file, use, readOnly }) => [id, file, use, readOnly])).toEqual([['d0', 'a.img', 'none', true], ['pflash1', 'v.fd', 'pflash', false], ['virtio2', 'disk.img', 'virtio', false]])
    expect([c.netdevs[0]?.forwards, c.devices.length, serialOf(c)]).toEqual([['tcp::8080-:80'], 2, { kind: 'file', path: 'log', append: false }])
  })

  test('devices sit where QEMU puts them', () => {
    const warnings: string[] = []
    const places = (text: string) => {
      const c = parse(`${VIRT} ${text}`), places = new Places(c.devices, each => { warnings.push(each) })
      return c.devices.map(device => { const { transport, slot } = places.of(device); return `${device.driver} ${transport} ${slot}` })
    }
    expect(places('-device virtio-rng-pci -device virtio-serial-pci,addr=1 -device virtio-rng-device -device virtio-rng-pci,bus=pcie.0,addr=0x2.0 -nic user')).toEqual([
      'virtio-net-pci pci 3', 'virtio-rng-pci pci 4', 'virtio-serial-pci pci 1', 'virtio-rng-device mmio 31', 'virtio-rng-pci pci 2',
    ])
    expect([places('-device virtio-rng-device,bus=virtio-mmio-bus.31 -device virtio-rng-device'), warnings]).toEqual([['virtio-rng-device mmio 31', 'virtio-rng-device mmio 30'], []])
    expect([places('-device virtio-rng-pci,bus=rp1,addr=0'), warnings]).toEqual([['virtio-rng-pci pci 1'], [expect.stringContaining('one PCIe bus')]])
    expect(() => places('-device virtio-rng-pci,addr=2.1')).toThrow('one function')
    expect(() => places('-device virtio-rng-pci,addr=0')).toThrow('1 to 1f')
  })

  test('virtio-mmio is what QEMU has by default, unless told', () => {
    expect([parse(VIRT).legacyVirtio, parse(`${VIRT} -global virtio-mmio.force-legacy=false`).legacyVirtio, parse(`${VIRT} -global foo.bar=1`).warnings.length]).toEqual([true, false, 1])
  })

  test.each([
    ['-M virt -frobnicate', "unknown option '-frobnicate'"], ['-cpu max', 'add -M virt'], ['-M raspi3b', "'raspi3b' is not a machine"], ['-M virt,secure=on', 'there is no EL3'], ['-M virt,frob=1', "unknown property 'frob'"],
    ['-M virt,gic-version=4', 'there are 2, 3 and max'], ['-M virt,accel=kvm', 'guests are translated'], ['-M virt -cpu cortex-a15', "unknown CPU 'cortex-a15'"], ['-M virt -cpu host', 'choose max'], ['-M virt -smp 9', '1 to 8'],
    ['-M virt -m', 'a value is missing'], ['-M virt -m lots', 'is not a size'], ['-M virt -append x', 'it needs -kernel'], ['-M virt -device e1000', "unknown driver 'e1000'"], ['-M virt -device virtio-blk-device,frob=1', "unknown property 'frob'"],
    ['-M virt -drive file=x,format=qcow2', 'qemu-img convert'], ['-M virt -drive if=sd,file=x', 'there are none, virtio and pflash'], ['-M virt -netdev tap,id=x', "'tap' is not user"], ['-M virt -serial tcp::4444', 'is not one of'],
    ['-M virt -serial stdio -serial stdio', 'one serial port'], ['-M virt -chardev socket,id=x', "'socket' is not one of"], ['-M virt -enable-kvm', 'guests are translated'], ['-M virt -semihosting-config target=gdb', 'answered here'],
    ['-M virt -fw_cfg name=x', 'file= or string='], ['-M virt -cpu max,sve=on', 'there is no SVE'], ['-M __proto__', 'is not a machine'], ['-M virt -cpu constructor', "unknown CPU 'constructor'"],
  ])('%s is bad input', (text, message) => {
    let thrown: unknown
    try { parse(text) } catch (error) { thrown = error }
    expect(thrown).toBeInstanceOf(BadInput)
    expect((thrown as BadInput).message).toContain(message)
  })

  test('what scripts ask for is answered', () => {
    expect(answerTo(parse('-machine ?').answer!, '1')).toContain('ARM Virtual Machine')
    expect(answerTo(parse('-device help').answer!, '1')).toContain('name "virtconsole"')
    expect(answerTo(parse('-chardev ?').answer!, '1')).toContain('testdev')
    expect(answerTo(parse('-version').answer!, '1.2')).toMatch(/^QEMU emulator version 10\..*Nidus 1\.2/)
    expect([...DRIVERS.keys()]).toEqual(expect.arrayContaining(['virtio-blk-pci', 'virtio-net-device', 'loader', 'guest-loader']))
  })

  test('memory beyond what there is', () => { expect(parse(`${VIRT} -m 8G`)).toMatchObject({ memBytes: 2816 << 20 >>> 0, warnings: [expect.stringContaining('2816M')] }) })

  test.each([['0q', 1], ['1q', 3], ['x2q', 5]])('a test device ends the run: %s', (text, code) => {
    const codes: number[] = [], write = testDevice(each => codes.push(each))
    for (const byte of new TextEncoder().encode(text)) write(Uint8Array.of(byte))
    expect(codes).toEqual([code])
  })
})
