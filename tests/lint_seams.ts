/**
 * A plugin of `deno lint`: outside the seams nothing may name the ambient
 * time, chance, timers, console, Deno or `node:` modules, however it is spelt
 * (called, read, destructured, or through `globalThis`). And no function is
 * longer than a screen or two. It must never judge more than one file at once:
 * `tidy_test.ts` does that.
 *
 * @module
 */

/** Globals that only seams may name. */
const AMBIENT: ReadonlySet<string> = new Set([
  "Date",
  "Deno",
  "console",
  "crypto",
  "globalThis",
  "performance",
  "process",
  "queueMicrotask",
  "self",
  "setInterval",
  "setTimeout",
]);

/** Files that are seams, and the single names that others may use. */
const SEAMS = /\/(core\/env\/deno_env|net\/tcp\/deno_tcp|cli\/terminal)\.ts$/;
/** Codecs are loaded from the runtime at first use, synchronously. */
const NAMED_SEAMS: readonly (readonly [RegExp, string])[] = [
  [/\/core\/record\/compression\.ts$/, "node:zlib"],
  [/\/core\/record\/compression\.ts$/, "process"],
];
const OTHERS = /(_test\.ts|\/tests\/|\/bench\/|_build\.ts)/;

interface Named {
  readonly type: string;
  readonly name?: string;
}

/** Whether an identifier stands where it names a value, not a property or key. */
function isReference(node: Deno.lint.Identifier): boolean {
  const parent = node.parent as unknown as {
    type: string;
    computed?: boolean;
    property?: unknown;
    object?: unknown;
    key?: unknown;
    value?: unknown;
    shorthand?: boolean;
  };
  switch (parent.type) {
    case "MemberExpression":
      return parent.object === node || parent.computed === true;
    case "Property":
      return parent.value === node || parent.computed === true;
    case "PropertyDefinition":
    case "MethodDefinition":
    case "TSPropertySignature":
    case "TSMethodSignature":
    case "TSQualifiedName":
    case "ImportSpecifier":
    case "ExportSpecifier":
    case "TSEnumMember":
      return parent.key !== node && parent.type !== "TSPropertySignature" &&
        parent.type !== "TSMethodSignature" && parent.value === node;
    default:
      return true;
  }
}

function isNamed(node: unknown, name: string): boolean {
  const named = node as Named;
  return named.type === "Identifier" && named.name === name;
}

const FUNCTION_LINES_MAX = 70;

const functionLength: Deno.lint.Rule = {
  create(context) {
    const text = context.sourceCode.text;
    const check = (node: Deno.lint.Node) => {
      const [from, to] = node.range;
      const lines = text.slice(from, to).split("\n").length;
      if (lines <= FUNCTION_LINES_MAX) return;
      context.report({
        node,
        message:
          `${lines} lines in one function, at most ${FUNCTION_LINES_MAX}`,
      });
    };
    return {
      FunctionDeclaration: check,
      FunctionExpression: check,
      ArrowFunctionExpression: check,
    };
  },
};

const noAmbient: Deno.lint.Rule = {
  create(context) {
    const file = context.filename.replaceAll("\\", "/");
    if (SEAMS.test(file) || OTHERS.test(file)) return {};
    const mayName = (wanted: string) =>
      NAMED_SEAMS.some(([path, name]) => path.test(file) && name === wanted);
    const checkSource = (node: Deno.lint.Node, source: unknown) => {
      if (typeof source !== "string" || !source.startsWith("node:")) return;
      if (!mayName(source)) {
        context.report({ node, message: `"${source}" outside a seam` });
      }
    };
    return {
      Identifier(node) {
        if (!AMBIENT.has(node.name) || !isReference(node)) return;
        if (mayName(node.name)) return;
        context.report({ node, message: `${node.name} outside a seam` });
      },
      MemberExpression(node) {
        const property = node.property as Named;
        const isMath = isNamed(node.object, "Math");
        const isSignal = isNamed(node.object, "AbortSignal");
        if (isMath && property.name === "random") {
          context.report({ node, message: "Math.random outside a seam" });
        }
        if (isSignal && property.name === "timeout") {
          context.report({
            node,
            message: "AbortSignal.timeout outside a seam",
          });
        }
      },
      VariableDeclarator(node) {
        if (node.id.type !== "ObjectPattern" || node.init === null) return;
        const from = node.init as Named;
        if (from.name !== "Math" && from.name !== "AbortSignal") return;
        context.report({
          node,
          message: `${from.name} taken apart outside a seam`,
        });
      },
      ImportDeclaration(node) {
        checkSource(node, node.source.value);
      },
      ImportExpression(node) {
        if (node.source.type === "Literal") {
          checkSource(node, node.source.value);
        }
      },
    };
  },
};

const seams: Deno.lint.Plugin = {
  name: "seams",
  rules: { "no-ambient": noAmbient, "function-length": functionLength },
};

export default seams;
