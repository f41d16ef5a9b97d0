// The site: pages are what scripts/docs.ts has put into source/.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))
const api = JSON.parse(readFileSync(join(import.meta.dirname, 'source/api/typedoc-sidebar.json'), 'utf8'))
const page = (text, link) => ({ text, link })
const recipes = [
  page('An instruction', '/adding-an-instruction'), page('A system register', '/adding-a-system-register'), page('An exit of L0', '/adding-an-exit'), page('A device', '/adding-a-device'),
]

export default {
  title: 'Nidus',
  description: 'Nested virtualization on Arm: a machine, a host hypervisor and a laboratory that counts every trap',
  srcDir: '.vitepress/source',
  base: process.env.NIDUS_DOCS_BASE ?? '/',
  cleanUrls: true,
  lastUpdated: false,
  // The site is read without a network as well.
  head: [['link', { rel: 'icon', href: 'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><g fill="none" stroke="%232f7d5b" stroke-width="3"><circle cx="16" cy="16" r="14"/><circle cx="16" cy="19" r="9"/><circle cx="16" cy="22" r="4"/></g></svg>' }]],
  markdown: { lineNumbers: false },
  themeConfig: {
    outline: [2, 3],
    search: { provider: 'local' },
    nav: [page('Start', '/start'), page('The paper', '/paper'), page('Matrices', '/matrix/v8.4'), page('Library', '/library'), page(`v${version}`, '/changelog')],
    sidebar: [
      { text: 'Nidus', items: [page('Start', '/start'), page('Architecture', '/architecture'), page('What is promised', '/specification'), page('Changes', '/changelog')] },
      { text: 'Results', items: [page('The paper, reproduced', '/paper'), page('Debian and Xen as L1', '/nested'), page("Debian's QEMU in L1", '/qemu-in-l1'), page('Boots', '/boots'), page('Performance', '/performance')] },
      { text: 'System registers', items: ['v8.0', 'v8.1', 'v8.3', 'neve', 'v8.4'].map(name => page(`Matrix of ${name}`, `/matrix/${name}`)) },
      { text: 'Use', items: [page('Guests', '/guests'), page('Devices', '/devices'), page('Debugging', '/debugging'), page('Snapshots, recordings', '/snapshots'), page("QEMU's command line", '/qemu'), page('Lockstep with QEMU', '/lockstep'), page('A Debian userland', '/userland')] },
      { text: 'Trust', items: [page('Fuzzing', '/fuzzing'), page('Bugs put back in', '/mutation')] },
      { text: 'Library', items: [page('The library', '/library'), { text: 'Reference', collapsed: true, items: [page('Overview', '/api/'), ...api] }] },
      { text: 'How to add', items: recipes },
    ],
  },
}
