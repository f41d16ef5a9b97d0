/**
 * The second stage of a root file system: the packages' own scripts, run where they belong, on a Debian kernel in a machine of ours. The kernel's
 * initramfs mounts the disk and runs the script in it (`do=chroot`, init.ts).
 */
import { BadInput } from '../../arch/bad-input.ts'
import { createMachine } from '../../machine/machine.ts'
import { openDisk } from '../disk.ts'
import type { DebianImage } from './image.ts'
import { CHROOT_SCRIPT } from './init.ts'

/** Printed before a step, with what it is. */
const STEP = 'NIDUS-STEP', DONE = 'NIDUS-CONFIGURED'
const SLICE = 100_000_000
/** A package that never comes to its end. */
const MOST_INSTRUCTIONS = 2_000_000_000_000
const MEMORY = 512 * 2 ** 20

/** `preinst`: packages whose script before unpacking has still to be run, in their order. */
export const secondStageScript = (preinst: readonly string[]): string => `#!/bin/sh
# Written by nidus rootfs, gone after it has run.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes
ldconfig
# No service is started in here.
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
[ -e /usr/bin/awk ] || ln -s mawk /usr/bin/awk
echo ${STEP} scripts before unpacking
for package in ${preinst.join(' ')}; do
  DPKG_MAINTSCRIPT_PACKAGE=\${package%:*} DPKG_MAINTSCRIPT_ARCH=arm64 DPKG_MAINTSCRIPT_NAME=preinst DPKG_RUNNING_VERSION=1.22 "/var/lib/dpkg/info/$package.preinst" install || echo "preinst of $package failed"
done
if dpkg --force-unsafe-io --configure -a; then
  echo ${STEP} settings
  passwd -q -d root
  [ -e /usr/lib/systemd/system/systemd-networkd.service ] && systemctl -q enable systemd-networkd
  rm -rf /usr/sbin/policy-rc.d ${CHROOT_SCRIPT} /var/log/*.log /var/lib/dbus/machine-id /var/lib/systemd/random-seed /var/lib/dpkg/*-old /var/cache/debconf/*-old
  : > /etc/machine-id
  # Nothing is newer: the first boot makes no caches anew.
  touch /etc/.updated /var/.updated
  dpkg --audit && echo ${DONE}
fi
`

export interface SecondStage { readonly log: string, readonly instructions: number }

/** Configures the packages in the image. Throws BadInput with the log as its second line when a script fails. */
export async function runSecondStage(disk: string, kernel: DebianImage, progress: (text: string) => void): Promise<SecondStage> {
  let log = '', line = ''
  const console = (byte: number): void => {
    if (byte !== 10) {
      if (byte !== 13) line += String.fromCharCode(byte)
      return
    }
    log += `${line}\n`
    const step = new RegExp(`^(?:${STEP}|(Setting up|Processing triggers for)) (.*?)(?: \\.\\.\\.)?$`).exec(line)
    if (step !== null) progress(`${step[1] === undefined ? '' : `${step[1].toLowerCase()} `}${step[2]!}`)
    line = ''
  }
  const machine = createMachine({ profile: 'v8.4', memBytes: MEMORY, hash: false, console, plugs: [{ kind: 'block', backing: openDisk(disk, 'rw', 'root file system') }, { kind: 'entropy', seed: 1 }] })
  machine.loadImage({ image: kernel.image, initrd: kernel.initrd, bootargs: `${kernel.bootargs} quiet root=/dev/vda do=chroot` })
  let outcome = machine.run({ maxInstructions: SLICE })
  while (outcome.kind === 'limit' && machine.instructions < MOST_INSTRUCTIONS) {
    // Ctrl-C is heard between slices.
    await new Promise(resolve => { setImmediate(resolve) })
    outcome = machine.run({ maxInstructions: SLICE })
  }
  if (outcome.kind !== 'off' || !log.includes(DONE)) throw new SecondStageFailed(log, outcome.kind)
  return { log, instructions: machine.instructions }
}

/** The scripts' own words are in `log`. */
export class SecondStageFailed extends BadInput {
  readonly log: string

  constructor(log: string, ending: string) {
    const said = log.split('\n').filter(line => /error|cannot|failed|Errors were/i.test(line)).at(0)
    super('second stage', `the packages could not be configured (${said ?? `the machine ended with ${ending}`})`)
    this.log = log
  }
}
