/** The first process of the initramfs and its list of commands, as shell scripts for busybox. */
import { COMMAND_LIST, LIST_BEGIN, LIST_END, LIST_LINE } from './command-list.ts'

/** Printed when user space is up: what boots are timed by. */
export const BOOT_MARK = 'MARK-BOOT'

/** What `do=chroot` runs in the file system that `root=` names. */
export const CHROOT_SCRIPT = '/var/lib/nidus-second-stage'

/**
 * /init. With `root=` on the kernel's command line (a device, LABEL= or UUID=) it mounts that and hands over to its `init=` (default: /sbin/init). Without,
 * `do=` on the kernel's command line says what comes after the mark: `list`, `devices`, `boot` (nothing) or a shell.
 */
export const INIT_SCRIPT = `#!/bin/busybox sh
export PATH=/bin HOME=/ TERM=linux
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
hostname nidus
# Devices name the drivers that they want; file systems are loaded by the kernel when they are mounted.
modprobe -q virtio_mmio
modprobe -q virtio_pci
for file in /sys/bus/virtio/devices/*/modalias; do
  [ -e "$file" ] && modprobe -q "$(cat "$file")"
done
echo ${BOOT_MARK}
for word in $(cat /proc/cmdline); do
  case $word in
    do=*) todo=\${word#do=} ;;
    root=LABEL=*|root=UUID=*) root=$(findfs "\${word#root=}") || echo "nidus: there is no $word" ;;
    root=*) root=\${word#root=} ;;
    rootfstype=*) type="-t \${word#rootfstype=}" ;;
    rootflags=*) flags=,\${word#rootflags=} ;;
    init=*) init=\${word#init=} ;;
    ro) access=ro ;;
  esac
done
if [ -n "$root" ]; then
  # Later there is no module that could be loaded: these are in the initramfs alone.
  modprobe -q -a virtio_console virtio_rng 9p
  if mount $type -o "\${access:-rw}$flags" "$root" /mnt; then
    for place in proc sys dev; do mount --move /$place /mnt/$place; done
    if [ "$todo" = chroot ]; then
      chroot /mnt /bin/sh ${CHROOT_SCRIPT}
      for place in dev sys proc; do mount --move /mnt/$place /$place; done
      umount /mnt || mount -o remount,ro /mnt
      poweroff -f
    fi
    exec switch_root /mnt "\${init:-/sbin/init}"
  fi
  echo "nidus: $root cannot be mounted; this is the initramfs"
fi
case $todo in
  list)
    sh /list
    # A suite's own checks.
    [ -f /more ] && sh /more ;;
  devices) sh /devices ;;
  boot) ;;
  *) setsid -c sh -l < /dev/console > /dev/console 2>&1 ;;
esac
poweroff -f
`

/** /list. */
export const LIST_SCRIPT = [
  '#!/bin/busybox sh',
  // Unquoted, so that all white space becomes single spaces.
  `check() { echo "${LIST_LINE} $1:" $(eval "$2" 2>&1); }`,
  `echo ${LIST_BEGIN}`,
  ...COMMAND_LIST.map(({ name, command }) => `check ${name} '${command.replaceAll("'", "'\\''")}'`),
  `echo ${LIST_END}`,
  '',
].join('\n')
