/** A task as it can be made again: what `dth task export` writes. */
export interface Spec {
  name: string;
  description: string;
  type: string;
  labels: { name: string; value: string }[];
  parameters: { name: string; value: string }[];
}

/** The spec as a file for `dth task create -f`. Strings are written as JSON writes them, which YAML 1.2 reads alike. */
export function toYaml(spec: Spec): string {
  const lines = [`name: ${JSON.stringify(spec.name)}`];
  if (spec.description !== "") lines.push(`description: ${JSON.stringify(spec.description)}`);
  lines.push(`type: ${spec.type}`);
  for (const field of ["labels", "parameters"] as const) {
    if (spec[field].length === 0) continue;
    lines.push(`${field}:`);
    for (const { name, value } of sorted(spec[field]))
      lines.push(`  ${plain.test(name) ? name : JSON.stringify(name)}: ${JSON.stringify(value)}`);
  }
  return `${lines.join("\n")}\n`;
}

const plain = /^[A-Za-z][A-Za-z0-9]*$/;

/** The parameters as a file for `aws cloudformation create-stack --parameters file://FILE`. */
export function toParameters(spec: Spec): string {
  const all = sorted(spec.parameters).map(({ name, value }) => ({ ParameterKey: name, ParameterValue: value }));
  return `${JSON.stringify(all, null, 2)}\n`;
}

/** The command that makes the same task, for a POSIX shell. The quotes around EOF keep the shell from reading anything in the spec. */
export function toCommand(spec: Spec): string {
  return `dth task create -f - <<'EOF'\n${toYaml(spec)}EOF\n`;
}

function sorted(entries: Spec["parameters"]): Spec["parameters"] {
  return [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Has the browser keep a text as a file. */
export function download(name: string, type: string, content: string): void {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // Not at once: the browser reads the text after the click.
  window.setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
