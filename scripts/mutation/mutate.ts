/**
 * Mutants of a TypeScript source: one small change each, found in its syntax tree (rolldown's parser, which vitest brings along). Comparison,
 * arithmetic, bitwise and logical operators, negations, conditions, constants, and statements that are left out. Texts are not mutated.
 */
import { parseAst } from 'rolldown/parseAst'

export interface Mutant {
  readonly file: string
  readonly start: number
  readonly end: number
  /** What stands there instead. */
  readonly text: string
  readonly operator: string
}

interface Node { readonly type: string, readonly start: number, readonly end: number, readonly [key: string]: unknown }

const BINARY: Readonly<Record<string, readonly string[]>> = {
  '===': ['!=='], '!==': ['==='], '<': ['<=', '>='], '<=': ['<', '>'], '>': ['>=', '<='], '>=': ['>', '<'],
  '+': ['-'], '-': ['+'], '*': ['/'], '/': ['*'], '%': ['*'], '**': ['*'], '&': ['|'], '|': ['&'], '^': ['&'], '<<': ['>>'], '>>': ['<<'], '>>>': ['<<'],
}
const LOGICAL: Readonly<Record<string, string>> = { '&&': '||', '||': '&&', '??': '&&' }
const ASSIGNMENT: Readonly<Record<string, string>> = { '+=': '-=', '-=': '+=', '|=': '&=', '&=': '|=', '^=': '|=', '<<=': '>>=', '>>=': '<<=', '>>>=': '<<=', '*=': '/=', '/=': '*=' }

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'

/** Mutants of `source` in their order. `parse` failures are bugs of ours. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const found: Mutant[] = []
  const add = (start: number, end: number, text: string, operator: string): void => { found.push({ file, start, end, text, operator }) }
  /** The operator's own place, between two operands. */
  const swap = (left: Node, right: Node, from: string, to: string): void => {
    const at = source.slice(left.end, right.start).indexOf(from)
    // Comments and parentheses between the operands: the first occurrence is the operator.
    if (at >= 0) add(left.end + at, left.end + at + from.length, to, `${from} to ${to}`)
  }
  const condition = (test: Node): void => {
    add(test.start, test.end, 'true', 'condition to true')
    add(test.start, test.end, 'false', 'condition to false')
  }

  const visit = (node: Node): void => {
    // Types say nothing at run time; what is thrown is for us to read.
    if (node.type.startsWith('TS') && !['TSNonNullExpression', 'TSAsExpression', 'TSSatisfiesExpression'].includes(node.type)) return
    if (node.type === 'ImportDeclaration' || node.type === 'ThrowStatement') return
    switch (node.type) {
      case 'BinaryExpression':
        for (const to of BINARY[node['operator'] as string] ?? []) {
          // Texts are put together with +.
          if (node['operator'] === '+' && /['"`]/.test(source.slice(node.start, node.end))) continue
          swap(node['left'] as Node, node['right'] as Node, node['operator'] as string, to)
        }
        break
      case 'LogicalExpression': swap(node['left'] as Node, node['right'] as Node, node['operator'] as string, LOGICAL[node['operator'] as string]!); break
      case 'AssignmentExpression': {
        const to = ASSIGNMENT[node['operator'] as string]
        if (to !== undefined) swap(node['left'] as Node, node['right'] as Node, node['operator'] as string, to)
        break
      }
      case 'UpdateExpression': {
        const at = node['prefix'] === true ? node.start : node.end - 2
        add(at, at + 2, node['operator'] === '++' ? '--' : '++', 'step backwards')
        break
      }
      case 'UnaryExpression':
        if (['!', '-', '~'].includes(node['operator'] as string)) add(node.start, node.start + 1, '', `without ${node['operator'] as string}`)
        break
      case 'IfStatement': case 'ConditionalExpression': condition(node['test'] as Node); break
      case 'Literal':
        if (typeof node['value'] === 'boolean') add(node.start, node.end, String(node['value'] !== true), 'boolean')
        else if (typeof node['value'] === 'number') add(node.start, node.end, String(node['value'] + 1), 'constant')
        else if (typeof node['value'] === 'bigint') add(node.start, node.end, `${node['value'] + 1n}n`, 'constant')
        break
      case 'ExpressionStatement': {
        const { type } = node['expression'] as Node
        if (type === 'CallExpression' || type === 'AssignmentExpression' || type === 'ChainExpression') add(node.start, node.end, ';', 'statement removed')
        break
      }
    }
    for (const key of Object.keys(node)) {
      if (key === 'typeAnnotation' || key === 'returnType' || key === 'typeParameters' || key === 'typeArguments') continue
      const value = node[key]
      if (Array.isArray(value)) { for (const each of value as unknown[]) if (isNode(each)) visit(each) }
      else if (isNode(value)) visit(value)
    }
  }
  visit(parseAst(source, { lang: 'ts' }, file) as unknown as Node)
  return found.sort((a, b) => a.start - b.start || a.end - b.end || (a.text < b.text ? -1 : 1))
}
