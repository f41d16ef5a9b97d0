/**
 * What `do=list` on the kernel's command line runs: busybox commands whose output is the same on every machine, and that output. They use
 * integer, floating-point and vector code, fork, pipes, signals, sleep, file systems and memory.
 */
export interface ListedCommand {
  readonly name: string
  readonly command: string
  /** The output with all white space as single spaces. */
  readonly output: string
}

export const COMMAND_LIST: readonly ListedCommand[] = [
  { name: 'machine', command: 'uname -sm', output: 'Linux aarch64' },
  { name: 'arithmetic', command: 'echo $((0x7fffffffffffffff / 3)) $((-7 % 3)) $((1 << 62)) $((123456789 * 987654321))', output: '3074457345618258602 -1 4611686018427387904 121932631112635269' },
  { name: 'md5', command: 'seq 1 20000 | md5sum', output: 'e071f707df7bbeee2a6a1eb48011ddd0 -' },
  { name: 'sha1', command: 'seq 1 20000 | sha1sum', output: '49972ff155d0d5fb6bb9d8f18a7a4c4a2ea9562c -' },
  { name: 'sha256', command: 'seq 1 20000 | sha256sum', output: 'f6351f5ead9a700e34275480b3856ea738122a7c57bdeb744a631251c069587a -' },
  { name: 'sha512', command: 'seq 1 20000 | sha512sum', output: '7686a0fb0b50564b3e6f2e2ab9bdcbd55d450d1add4bc3ad888d32c51013c3e86eb9d4d89466904cc65a049c1b8e38615df616b31902701b1c81216a9cc5b42b -' },
  { name: 'gzip', command: 'seq 1 20000 | gzip -9 | gunzip | md5sum', output: 'e071f707df7bbeee2a6a1eb48011ddd0 -' },
  { name: 'bzip2', command: 'seq 1 3000 | bzip2 | bunzip2 | md5sum', output: 'ee9762749fc5338b6c9b0948d14219c7 -' },
  { name: 'sort', command: 'seq 1 3000 | sort | tail -n 1; seq 3000 -1 1 | sort -n | md5sum', output: '999 ee9762749fc5338b6c9b0948d14219c7 -' },
  { name: 'series', command: `awk 'BEGIN { for (i = 1; i <= 20000; i++) s += 1 / (i * i); printf "%.12f", s }'`, output: '1.644884068098' },
  {
    name: 'functions',
    command: `awk 'BEGIN { f = e = x = 1; for (i = 1; i <= 18; i++) { f *= i; e += 1 / f }; for (i = 0; i < 6; i++) x = (x + 2 / x) / 2; for (i = 0; i < 20000; i++) p += (i % 2 ? -4 : 4) / (2 * i + 1); printf "%.14f %.14f %.8f %d %.6e", e, x, p, 1e6 / 7, 1 / 3e200 }'`,
    output: '2.71828182845905 1.41421356237309 3.14154265 142857 3.333333e-201',
  },
  { name: 'columns', command: `seq 1 1000 | awk '{ s += $1; q += $1 * $1 } END { print s, q, NR }'`, output: '500500 333833500 1000' },
  { name: 'stream', command: `echo The quick brown fox | sed 's/quick/slow/; y/abc/xyz/' | tr a-z A-Z | rev`, output: 'XOF NWORY WOLS EHT' },
  { name: 'base64', command: 'seq 1 2000 | base64 | tail -n 1; seq 1 2000 | base64 | base64 -d | md5sum', output: 'Cg== ea4d0a24dabcaa11f9aa979b872d162b -' },
  { name: 'dump', command: `printf 'nidus\\001\\377' | od -An -tx1`, output: '6e 69 64 75 73 01 ff' },
  { name: 'fork', command: 'i=0; while [ $i -lt 100 ]; do /bin/busybox true && i=$((i + 1)); done; echo $i', output: '100' },
  { name: 'pipe', command: 'yes nidus | head -n 100000 | wc', output: '100000 100000 600000' },
  { name: 'zeros', command: 'dd if=/dev/zero bs=64k count=128 2>/dev/null | md5sum', output: '96995b58d4cbf6aaa9041b4f00c7f6ae -' },
  { name: 'random', command: 'head -c 5000 /dev/urandom | wc -c', output: '5000' },
  { name: 'signal', command: `sh -c 'trap "echo caught" USR1; kill -USR1 $$; echo after'`, output: 'caught after' },
  { name: 'jobs', command: '(sleep 0.02; echo second) & echo first; wait; echo third', output: 'first second third' },
  { name: 'date', command: `date -u -d @1508976000 '+%F %T'`, output: '2017-10-26 00:00:00' },
  { name: 'files', command: 'mkdir -p /tmp/t/a/b && seq 1 200 | (cd /tmp/t/a/b && while read n; do echo $n > f$n; done) && find /tmp/t -type f | wc -l && cat /tmp/t/a/b/* | md5sum', output: '200 85509743b2f5735b32a108dbba770ee4 -' },
  { name: 'archive', command: 'tar -C /tmp -cf /tmp/t.tar t && tar -tf /tmp/t.tar | wc -l && rm -r /tmp/t /tmp/t.tar && ls /tmp', output: '203' },
  { name: 'mount', command: 'mkdir -p /tmp/m && mount -t tmpfs none /tmp/m && echo inside > /tmp/m/f && cat /tmp/m/f && umount /tmp/m && ls -A /tmp/m; rmdir /tmp/m', output: 'inside' },
  { name: 'factor', command: 'factor 1000000007 600851475143', output: '1000000007: 1000000007 600851475143: 71 839 1471 6857' },
]

export const LIST_LINE = 'CHECK'
export const LIST_BEGIN = 'LIST-BEGIN'
export const LIST_END = 'LIST-END'

/** What is wrong in the console output of `do=list`: one line per command, empty when all is as it should be. */
export function checkList(consoleText: string): string[] {
  const said = new Map<string, string>()
  for (const [, name, output] of consoleText.matchAll(new RegExp(`^${LIST_LINE} (\\w+): ?(.*?)\\r?$`, 'gm'))) said.set(name!, output!)
  const wrong = COMMAND_LIST.flatMap(({ name, output }) => {
    const got = said.get(name)
    return got === output ? [] : [got === undefined ? `${name}: no output` : `${name}: '${got}' instead of '${output}'`]
  })
  return consoleText.includes(LIST_END) ? wrong : [...wrong, `the list did not reach ${LIST_END}`]
}
