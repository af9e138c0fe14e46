// node check.mjs TEMPLATE REASONS
//
// Runs cdk-nag's AWS Solutions rules over a template. REASONS is a JSON object: rule, logical id, why the finding is accepted.
// Findings without a reason, and reasons without a finding, are printed and make the exit code 1.
import { readFileSync } from "node:fs";
import { App, Aspects, Stack } from "aws-cdk-lib";
import { CfnInclude } from "aws-cdk-lib/cloudformation-include";
import { AwsSolutionsChecks } from "cdk-nag";

const [templateFile, reasonsFile] = process.argv.slice(2);
if (!templateFile || !reasonsFile) {
  console.error("usage: node check.mjs TEMPLATE REASONS");
  process.exit(2);
}
const accepted = JSON.parse(readFileSync(reasonsFile, "utf8"));

const findings = new Map(); // rule and logical id: what was found
const note = (data, text) => {
  const rule = data.ruleId.replace(/\[.*$/s, ""); // some rules add the very action or resource
  const id = data.resource.node.id;
  findings.set(`${rule} ${id}`, { rule, id, text });
};
const collector = {
  onCompliance() {},
  onNotApplicable() {},
  onSuppressed() {},
  onSuppressedError() {},
  onNonCompliance: (data) => note(data, data.ruleInfo),
  onError: (data) => note(data, `the rule could not be applied: ${data.errorMessage}`),
};

const app = new App({ analyticsReporting: false, treeMetadata: false });
const stack = new Stack(app, "Template");
new CfnInclude(stack, "Included", { templateFile });
Aspects.of(app).add(new AwsSolutionsChecks({ reports: false, additionalLoggers: [collector] }));
const { stderr } = process;
const write = stderr.write.bind(stderr);
stderr.write = () => true; // cdk-nag also annotates; the findings are printed below, once
app.synth({ errorOnDuplicateSynth: false });
stderr.write = write;

let bad = 0;
for (const { rule, id, text } of findings.values()) {
  if (accepted[rule]?.[id]) continue;
  bad++;
  console.log(`${rule} ${id}: ${text}`);
}
for (const [rule, ids] of Object.entries(accepted)) {
  for (const id of Object.keys(ids)) {
    if (findings.has(`${rule} ${id}`)) continue;
    bad++;
    console.log(`${rule} ${id}: a reason is given, but nothing is found any more; take it out`);
  }
}
console.log(`${findings.size} findings, ${findings.size - bad} accepted with a reason`);
process.exit(bad ? 1 : 0);
