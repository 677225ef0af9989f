import tseslint from 'typescript-eslint'

/** Bans, each with its reason: the linter is where a house rule that a machine can check lives. */
const bans = [
  { selector: 'TSEnumDeclaration', message: 'enums do not survive type stripping: use an `as const` table' },
  { selector: 'ExportDefaultDeclaration', message: 'no default exports: a thing has one name everywhere' },
  {
    selector: "CallExpression[callee.property.name='getPeerCertificate']",
    message: 'slow and spoofable: identity/ parses the DER, once a connection',
  },
]

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'bench/results'] },
  ...tseslint.configs.recommended,
  {
    rules: {
      'no-restricted-syntax': ['error', ...bans],
      'no-empty': ['error', { allowEmptyCatch: false }],
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-explicit-any': 'error',
    },
  },
  { files: ['eslint.config.js'], rules: { 'no-restricted-syntax': 'off' } },
)
