import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["node_modules/", "out/", "coverage/"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] } } },
    rules: {
      "@typescript-eslint/explicit-function-return-type": ["error", { allowExpressions: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-non-null-assertion": "error",
      "no-restricted-imports": [
        "error",
        { paths: [{ name: "node:child_process", message: "Start processes through common/spawn.ts." }] },
      ],
      "no-console": "error",
      eqeqeq: "error",
    },
  },
  { files: ["common/spawn.ts"], rules: { "no-restricted-imports": "off" } },
  {
    files: ["test/**"],
    rules: {
      "no-restricted-syntax": [
        "error",
        {
          // Every string matches a regular expression there: it has no properties that could differ (Vitest 5.1).
          selector: "CallExpression[callee.property.name=/^(toMatchObject|toEqual)$/] Property > Literal[regex]",
          message: "Compares nothing. Use expect.stringMatching(…) as string.",
        },
      ],
    },
  },
  { files: ["scripts/**", "test/**"], rules: { "no-console": "off" } },
  { files: ["eslint.config.js"], ...tseslint.configs.disableTypeChecked },
);
