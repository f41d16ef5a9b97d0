/** What `do=devices` on the kernel's command line runs, with whatever devices there are: each line is checked by `scripts/suite-devices.ts`. */

/** udhcpc's script: it says what the server has said, as this program wants it to be done (busybox, udhcpc). */
export const DHCP_SCRIPT = `#!/bin/busybox sh
case $1 in
  deconfig) ip addr flush dev "$interface"; ip link set "$interface" up ;;
  bound|renew)
    ip addr add "$ip/\${mask:-24}" dev "$interface"
    ip route replace default via "$router"
    : > /etc/resolv.conf
    for server in $dns; do echo "nameserver $server" >> /etc/resolv.conf; done ;;
esac
`

/** `port=N`: a web server on the host serves /file; `serve`: the guest serves one until the share has a file \`done\`. */
export const DEVICES_SCRIPT = `#!/bin/busybox sh
check() { echo "CHECK $1:" $(eval "$2" 2>&1); }
for word in $(cat /proc/cmdline); do
  case $word in port=*) port=\${word#port=} ;; serve) serve=1 ;; esac
done
echo DEVICES-BEGIN
if [ -b /dev/vda ]; then
  check disk-read 'dd if=/dev/vda bs=64k 2>/dev/null | md5sum'
  check disk-read-only 'dd if=/dev/zero of=/dev/vda bs=512 count=1 2>&1 | grep -c -i "not permitted\\|read-only\\|denied"'
fi
if [ -b /dev/vdb ]; then
  # The whole disk, then a file system on it.
  check disk-write 'seq 1 100000 | dd of=/dev/vdb bs=64k 2>/dev/null; sync; echo 3 > /proc/sys/vm/drop_caches; head -c 588895 /dev/vdb | md5sum'
  check ext4 'mke2fs /dev/vdb > /dev/null 2>&1; mount -t ext4 /dev/vdb /mnt && seq 1 50000 > /mnt/a && umount /mnt && mount -t ext4 -o ro /dev/vdb /mnt && md5sum < /mnt/a; umount /mnt'
fi
[ -c /dev/hwrng ] && check random 'dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c'
if grep -q 9pnet_virtio /proc/modules || modprobe -q 9pnet_virtio; then
  mkdir -p /share
  mount -t 9p -o trans=virtio share /share 2>/dev/null
  check share-read 'md5sum < /share/given'
  check share-write 'seq 1 30000 > /share/made; mkdir /share/folder; mv /share/made /share/folder/kept; ln -s kept /share/folder/link; md5sum < /share/folder/link'
  check share-leave 'cat /share/out; ln -s /etc/passwd /share/escape; ls /share'
fi
if [ -e /sys/class/net/eth0 ]; then
  check dhcp 'udhcpc -i eth0 -n -q > /dev/null 2>&1; ip addr show dev eth0 | grep -o "inet [0-9./]*"'
  check gateway 'ping -c 2 10.0.2.2 | grep -o "[0-9]* packets received"'
  check web 'wget -q -O - "http://10.0.2.2:$port/file" | md5sum'
  check refused 'wget -q -O - http://10.0.2.2:1/ 2>&1 | grep -o refused'
  check names 'nslookup localhost.invalid 2>&1 | grep -c -i "can.t find\\|NXDOMAIN"'
  if [ -n "$serve" ]; then
    seq 1 200000 > /tmp/served
    httpd -p 80 -h /tmp
    echo SERVING
    while [ ! -e /share/done ]; do sleep 1; done
  fi
fi
echo DEVICES-END
`
