/** What runs in a whole Debian, and what it prints on any machine. */
export interface Check { readonly name: string, readonly command: string, readonly output: string | RegExp }

export const PACKAGES = ['python3', 'openssl', 'sqlite3', 'gcc', 'libc6-dev']

/** As one word for the shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** fsum, as sum() rounds otherwise since Python 3.12. */
const PYTHON = [
  'import hashlib, zlib, json, math, decimal, fractions, re',
  'decimal.getcontext().prec = 40',
  'print(hashlib.sha256(bytes(range(256)) * 40).hexdigest()[:16], zlib.crc32(b"nidus" * 1000), 2 ** 127 % 1000003)',
  'print(math.fsum(1 / (i * i) for i in range(1, 20001)), math.sin(1e6), math.gamma(7.5), decimal.Decimal(2).sqrt())',
  'print(json.dumps(sorted({str(fractions.Fraction(i, 12)) for i in range(8)})), re.sub(r"(\\w+) (\\w+)", r"\\2 \\1", "nested guest"))',
].join('\n')

const SQL = `create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) insert into t select i, 'row ' || (i * 7919 % 5000), i / 7.0 from n;
create index tb on t(b);
select count(*), sum(a), printf('%.6f', sum(c)), count(distinct b), max(b) from t;
select a from t where b = 'row 4242';`

const C = `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
static int up(const void *a, const void *b) { unsigned x = *(const unsigned *)a, y = *(const unsigned *)b; return x < y ? -1 : x > y; }
int main(void) {
  static unsigned v[20000]; unsigned s = 1; double d = 0; unsigned long h = 14695981039346656037UL; char text[64];
  for (int i = 0; i < 20000; i++) { s = s * 1664525u + 1013904223u; v[i] = s; }
  qsort(v, 20000, sizeof *v, up);
  for (int i = 0; i < 20000; i++) { h = (h ^ v[i]) * 1099511628211UL; d += sqrt((double)v[i]) / (i + 1); }
  snprintf(text, sizeof text, "%lu %.6f %u", h, d, v[10000]);
  puts(text); printf("%zu %s\\n", strlen(text), v[0] < v[19999] ? "sorted" : "not sorted");
  return 42;
}
`

export const BASE_CHECKS: readonly Check[] = [
  // Also waits until all jobs of the boot are done.
  { name: 'systemd', command: 'systemctl is-system-running --wait; systemctl --failed --no-legend --plain', output: 'running' },
  { name: 'machine', command: 'uname -sm; . /etc/os-release; echo $ID; id -un; tty; findmnt -n -o FSTYPE,SOURCE /', output: /^Linux aarch64\ndebian\nroot\n\/dev\/ttyAMA0\next4 +\/dev\/vda$/ },
  { name: 'packages', command: 'dpkg --audit; dpkg -l | grep -v "^ii" | grep -c "^[a-z]"', output: '0' },
  { name: 'perl', command: `perl -e 'my %h; $h{$_ % 97} += $_ for 1..20000; my $s = 0; $s = ($s * 31 + $h{$_}) % 1000003 for sort { $a <=> $b } keys %h; printf "%d %.10f\\n", $s, exp(1)'`, output: '57408 2.7182818285' },
  { name: 'files', command: 'seq 1 20000 > /var/tmp/a; gzip -k /var/tmp/a; tar -C /var/tmp -cf /var/tmp/t.tar a a.gz; rm /var/tmp/a; tar -C /var/tmp -xf /var/tmp/t.tar; sync; zcat /var/tmp/a.gz | cmp - /var/tmp/a; md5sum < /var/tmp/a', output: 'e071f707df7bbeee2a6a1eb48011ddd0  -' },
  // The kernel's modules are not in the image, and systemd would like to have this one.
  { name: 'journal', command: `journalctl -b --no-pager -p err -q | grep -v "find module 'autofs4'"`, output: '' },
  { name: 'kernel', command: `dmesg | grep -i -c -E 'oops|BUG:|call trace|undefined instruction|unhandled|segfault|I/O error|EXT4-fs error'`, output: '0' },
]

export const CHECKS: readonly Check[] = [
  ...BASE_CHECKS,
  { name: 'python3', command: `python3 -c ${quoted(PYTHON)}`, output: 'e96760a87768717b 1970314000 1513\n1.6448840680982055 -0.34999350217129294 1871.2543057977882 1.414213562373095048801688724209698078570\n["0", "1/12", "1/2", "1/3", "1/4", "1/6", "5/12", "7/12"] guest nested' },
  { name: 'sqlite3', command: `echo ${quoted(SQL)} | sqlite3 /var/tmp/t.db; sqlite3 /var/tmp/t.db 'pragma integrity_check'`, output: '5000|12502500|1786071.428571|5000|row 999\n4318\nok' },
  { name: 'openssl-speed', command: 'openssl speed -seconds 1 -bytes 1024 -evp sha256 2>/dev/null | tail -n 1; openssl speed -seconds 1 -bytes 1024 -evp aes-128-gcm 2>/dev/null | tail -n 1', output: /^sha256 +\d+\.\d+k\nAES-128-GCM +\d+\.\d+k$/i },
  {
    name: 'openssl', command: [
      'seq 1 20000 > d; openssl dgst -sha512 -r d | cut -c1-32', 'openssl enc -aes-256-ctr -K $(printf %064d 1) -iv $(printf %032d 2) -in d | openssl dgst -sha1 -r | cut -c1-32',
      'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k 2> /dev/null', 'openssl dgst -sha256 -sign k -out s d', 'openssl pkey -in k -pubout -out p', 'openssl dgst -sha256 -verify p -signature s d',
    ].join('; '), output: '7686a0fb0b50564b3e6f2e2ab9bdcbd5\naf973186ebd66b658cad17b79accdfc2\nVerified OK',
  },
  { name: 'gcc', command: `printf %s ${quoted(C)} > c.c; gcc -O2 -Wall -o c c.c -lm && ./c; echo $?`, output: '10905383514031931261 129250.478041 2143993478\n45 sorted\n42' },
]
