/** Plain JSON values as YAML that people read: for what the program proposes, never for what it means. */
import { stringify } from 'yaml'

/** Ends in a line break; long lines stay whole, so that nothing in them is folded. */
export const yamlText = (value: unknown): string =>
  stringify(value, { lineWidth: 0, aliasDuplicateObjects: false })
