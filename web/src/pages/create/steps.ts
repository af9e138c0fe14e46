import { applies, type Contract, complete, type Parameter, type Values } from "./values.ts";

/** The steps of the wizard, in order. Settings of a plugin are in the four between the type and the review. */
export const steps = ["type", "source", "destination", "what", "fleet", "review"] as const;
export type Step = (typeof steps)[number];

const stepOfGroup: Record<string, Step> = { Source: "source", Destination: "destination", "What and how": "what", What: "what" };

/** In which step a parameter is asked for. A group that this console does not know is asked for at the end. */
export function stepOf(parameter: Pick<Parameter, "group">): Step {
  return stepOfGroup[parameter.group] ?? "fleet";
}

/** In which step a field of the API is; those of every task are in the first. */
export function stepOfField(contract: Contract, field: string): Step {
  const parameter = contract.parameters.find((p) => p.name === field);
  return parameter ? stepOf(parameter) : "type";
}

/** The parameters that most people look at, in the order in which they are asked for. The others are additional settings. */
const first: Record<string, readonly string[]> = {
  S3: [
    ...["srcType", "srcBucket", "srcPrefix", "srcEndpoint", "srcRegion", "srcCredentials", "srcEvent"],
    ...["destType", "destBucket", "destPrefix", "destEndpoint", "destRegion", "destCredentials"],
    ...["destStorageClass", "include", "exclude", "compareMode", "deleteExtraneous", "includeMetadata", "includeTags"],
    ...["ec2CronExpression", "ec2VpcId", "ec2Subnets", "maxCapacity", "minCapacity", "desiredCapacity", "alarmEmail"],
    ...["srcProfile", "destProfile", "srcEventFile", "pollEvery"],
  ],
  ECR: [
    ...["sourceType", "srcRegistry", "srcRegion", "srcAccountId", "srcList", "srcImageList", "srcCredential"],
    ...["destRegistry", "destRegion", "destAccountId", "destPrefix", "destCredential", "includeUntagged", "includeReferrers"],
    ...[
      "scheduleExpression",
      "pushEvents",
      "ecsClusterName",
      "ecsVpcId",
      "ecsSubnetA",
      "ecsSubnetB",
      "assignPublicIp",
      "alarmEmail",
      "pollEvery",
    ],
  ],
};

/** A part of a step: a container with what most people look at, and more behind it. */
export interface Section {
  /** "" of schedules, which are a part of their own. */
  group: string;
  first: Parameter[];
  more: Parameter[];
}

/** Groups that are about a stack: without effect on one machine, but for when passes are made and how many copies run at once. */
const ofStacks = ["Fleet", "Notification", "Housekeeping"];
/** What the hub sets of a stack: whether it begins paused, and the boundary of its roles. */
const ofHub = ["startPaused", "permissionsBoundaryArn"];
const onMachinesToo = ["ec2CronExpression", "workerConcurrency"];

/** What a form shows of a plugin with some values: what applies to them, and where. */
export function shown(contract: Contract, given: Values, local: boolean): Parameter[] {
  const all = complete(contract, given);
  return contract.parameters.filter((p) => {
    if (!applies(p, all) || ofHub.includes(p.name)) return false;
    // What is there already is shown wherever it came from.
    return !local || !ofStacks.includes(p.group) || onMachinesToo.includes(p.name) || (given[p.name] ?? "") !== "";
  });
}

/** The sections of a step. */
export function sections(contract: Contract, step: Step, given: Values, local: boolean): Section[] {
  const order = first[contract.type];
  const rank = (p: Parameter) => order?.indexOf(p.name) ?? 0;
  const groups = new Map<string, Section>();
  const visible = shown(contract, given, local).filter((p) => stepOf(p) === step);
  for (const p of [...visible].sort((a, b) => Number(b.type === "cron") - Number(a.type === "cron"))) {
    const group = p.type === "cron" ? "" : p.group;
    const section = groups.get(group) ?? { group, first: [], more: [] };
    groups.set(group, section);
    (p.type === "cron" || p.required || rank(p) >= 0 ? section.first : section.more).push(p);
  }
  for (const section of groups.values()) section.first.sort((a, b) => rank(a) - rank(b));
  return [...groups.values()];
}
