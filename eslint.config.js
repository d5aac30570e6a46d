'use strict';

const js = require('@eslint/js');
const globals = require('globals');

/** A suppression says why on its own line: `// eslint-disable-next-line no-console -- the reason`. */
const reasonedSuppressions = {
  create(context) {
    return {
      Program() {
        for (const comment of context.sourceCode.getAllComments()) {
          if (!/^\s*eslint-disable/.test(comment.value) || /\s-{2,}\s+\S/.test(comment.value)) continue;
          context.report({ loc: comment.loc, message: 'A suppression gives its reason on the same line, after "--".' });
        }
      },
    };
  },
};

const rules = {
  'local/reasoned-suppressions': 'error',
  'array-callback-return': 'error',
  'default-case-last': 'error',
  eqeqeq: 'error',
  'logical-assignment-operators': 'error',
  'no-constructor-return': 'error',
  'no-else-return': ['error', { allowElseIf: true }],
  'no-eval': 'error',
  'no-extend-native': 'error',
  'no-implicit-coercion': ['error', { number: false }],
  'no-implied-eval': 'error',
  'no-lone-blocks': 'error',
  'no-new-wrappers': 'error',
  'no-promise-executor-return': ['error', { allowVoid: true }],
  'no-return-assign': 'error',
  'no-self-compare': 'error',
  'no-shadow': ['error', { hoist: 'never' }],
  'no-throw-literal': 'error',
  'no-unneeded-ternary': 'error',
  'no-unreachable-loop': 'error',
  'no-unused-expressions': 'error',
  'no-unused-vars': ['error', { argsIgnorePattern: '^_', reportUsedIgnorePattern: true }],
  'no-use-before-define': ['error', { functions: false, classes: false, variables: false }],
  'no-useless-rename': 'error',
  'no-useless-return': 'error',
  'no-var': 'error',
  'object-shorthand': 'error',
  'prefer-const': 'error',
  'prefer-object-has-own': 'error',
  'prefer-promise-reject-errors': ['error', { allowEmptyReject: false }],
  'prefer-rest-params': 'error',
  'prefer-spread': 'error',
  radix: 'error',
  yoda: 'error',
};

module.exports = [
  { ignores: ['build/', 'build-tests/', 'coverage/', 'out/', '**/node_modules/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error', reportUnusedInlineConfigs: 'error' } },
  js.configs.recommended,
  { plugins: { local: { rules: { 'reasoned-suppressions': reasonedSuppressions } } }, rules },
  {
    files: ['**/*.js'],
    languageOptions: { ecmaVersion: 2023, sourceType: 'commonjs', globals: globals.node },
    rules: { strict: ['error', 'global'] },
  },
  // These are put into the page that a recording makes of itself.
  { files: ['lib/recording-client*.js'], languageOptions: { globals: globals.browser } },
  { files: ['**/*.mjs'], languageOptions: { ecmaVersion: 2023, sourceType: 'module', globals: globals.node } },
  {
    files: ['test/**/*.js'],
    languageOptions: { globals: globals.mocha },
    // Tests reject with whatever there is, and build small worlds out of short names.
    rules: {
      'no-promise-executor-return': 'off',
      'no-shadow': 'off',
      'no-throw-literal': 'off',
      'prefer-promise-reject-errors': 'off',
    },
  },
];
