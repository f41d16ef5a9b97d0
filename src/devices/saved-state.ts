/** Reading saved states back. */
export { fieldsOf, fillFrom, integerIn, integersIn } from '../arch/saved-state.ts'
