import { parseRate, parseSize } from "../../parts/sizes.ts";
import type { Problem } from "./check.ts";
import { type Contract, linesOf, listOf, type Values } from "./values.ts";

/** Checks values together, which are complete. The same rules are in code at the plugin: plugins/s3/rules.go. */
type Rule = (v: Values, contract: Contract) => Problem[];

/** The rules of a plugin; none of one that this console does not know: the hub checks all the same. */
export function rulesOf(type: string): readonly Rule[] {
  return type === "S3" ? s3 : [];
}

const s3: readonly Rule[] = [
  endpoints,
  buckets,
  identities,
  prefixes,
  listObjects,
  patterns,
  bounds,
  deleting,
  serverSide,
  intoItself,
  otherStores,
  capacities,
];

const ends = [
  { kind: "srcType", bucket: "srcBucket", address: "srcEndpoint" },
  { kind: "destType", bucket: "destBucket", address: "destEndpoint" },
] as const;

/** Whether a parameter that may be left out is needed with the other values as they are. */
export function isNeeded(type: string, name: string, v: Values): boolean {
  return type === "S3" && ends.some((end) => end.address === name && v[end.kind] === "S3_Compatible");
}

function has(v: Values, name: string): boolean {
  return (v[name] ?? "") !== "";
}

function endpoints(v: Values): Problem[] {
  return ends.flatMap(({ kind, address }): Problem[] => {
    const at = v[address] ?? "";
    if (at === "") return v[kind] === "S3_Compatible" ? [{ field: address, key: "fault.s3.endpointMissing" }] : [];
    return isAddress(at) ? [] : [{ field: address, key: "fault.s3.endpoint" }];
  });
}

function isAddress(address: string): boolean {
  const match = /^(?:https?:\/\/)?(\[[0-9A-Fa-f:.]+\]|[^:/[\]]*)(?::(\d*))?(?:\/.*)?$/.exec(address);
  if (!match || (match[1] ?? "").replace(/[.\-:[\]]/g, "") === "") return false;
  const port = match[2];
  return port === undefined || (Number(port) > 0 && Number(port) < 1 << 16);
}

/** Amazon's names are the strictest; other stores take capitals or underscores. */
function buckets(v: Values): Problem[] {
  return ends.flatMap(({ kind, bucket }): Problem[] => {
    const name = v[bucket] ?? "";
    if (["S3_Compatible", "Qiniu_Kodo", "Google_GCS"].includes(v[kind] ?? "") || name === "") return [];
    if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) return [{ field: bucket, key: "fault.s3.bucket" }];
    return name.includes("..") || isIPv4(name) ? [{ field: bucket, key: "fault.s3.bucketAddress" }] : [];
  });
}

function isIPv4(name: string): boolean {
  const parts = name.split(".");
  return parts.length === 4 && parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) < 256);
}

function identities(v: Values): Problem[] {
  return ["src", "dest"].flatMap((side) => {
    const wrong: Problem[] = [];
    if (has(v, `${side}Credentials`) && has(v, `${side}RoleArn`)) wrong.push({ field: `${side}RoleArn`, key: "fault.s3.twoIdentities" });
    if (has(v, `${side}ExternalId`) && !has(v, `${side}RoleArn`)) wrong.push({ field: `${side}ExternalId`, key: "fault.s3.externalId" });
    return wrong;
  });
}

function prefixes(v: Values): Problem[] {
  const wrong: Problem[] = [];
  const given = ["srcPrefix", "srcPrefixList", "srcPrefixsListFile"].filter((name) => has(v, name));
  const lines = linesOf(v.srcPrefixList);
  if (given[1]) wrong.push({ field: given[1], key: "fault.s3.onePrefix" });
  if (has(v, "srcPrefixList") && lines.length === 0) wrong.push({ field: "srcPrefixList", key: "fault.s3.noPrefix" });
  if (lines.some((l) => new TextEncoder().encode(l).length > 1024)) wrong.push({ field: "srcPrefixList", key: "fault.s3.longPrefix" });
  if (v.stripSrcPrefix === "true" && given[0] && given[0] !== "srcPrefix")
    wrong.push({ field: "stripSrcPrefix", key: "fault.s3.stripList" });
  if (has(v, "srcPrefixListBucket") && !has(v, "srcPrefixsListFile"))
    wrong.push({ field: "srcPrefixListBucket", key: "fault.s3.listBucket" });
  return wrong;
}

const lists = ["srcPrefixList", "include", "exclude"];

/** A list longer than CloudFormation takes is an object of S3, which the stack reads; on one machine lists are given themselves. */
function listObjects(v: Values, contract: Contract): Problem[] {
  const inline = (name: string) => (contract.parameters.find((p) => p.name === name)?.maxBytes ?? 0) > 4096;
  return lists.flatMap((field): Problem[] => {
    const value = v[field] ?? "";
    if (!value.startsWith("s3://")) return [];
    if (inline(field)) return [{ field, key: "fault.s3.listInline" }];
    return /^s3:\/\/[^/]+\/(?:(?![*?$])[ -~])+$/s.test(value) ? [] : [{ field, key: "fault.s3.listObject" }];
  });
}

function patterns(v: Values): Problem[] {
  return ["include", "exclude"].flatMap((field): Problem[] => {
    const entries = listOf(v[field]);
    if (has(v, field) && entries.length === 0) return [{ field, key: "fault.s3.noPattern" }];
    if (v[field]?.startsWith("s3://")) return [];
    const wrong = entries.find((e) => !isPattern(e));
    return wrong === undefined ? [] : [{ field, key: "fault.s3.pattern", values: { pattern: wrong } }];
  });
}

/** Whether all brackets and braces of a glob pattern are closed. */
export function isPattern(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "\\") {
      if (++i >= text.length) return false;
    } else if (c === "[") {
      const end = classEnd(text, i + 1);
      if (end < 0) return false;
      i = end;
    } else if (c === "{") depth++;
    else if (c === "}" && --depth < 0) return false;
  }
  return depth === 0;
}

/** Where a class of characters ends; -1: it is empty or open. */
function classEnd(text: string, from: number): number {
  let i = from;
  if (text[i] === "^" || text[i] === "!") i++;
  if (i >= text.length || text[i] === "]") return -1;
  for (; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "]") return i;
  }
  return -1;
}

function bounds(v: Values): Problem[] {
  const wrong: Problem[] = [];
  const low = parseSize(v.minSize ?? "");
  const high = parseSize(v.maxSize ?? "");
  if (low !== undefined && high !== undefined && low > high) wrong.push({ field: "maxSize", key: "fault.s3.sizes" });
  const after = Date.parse(v.modifiedAfter ?? "");
  if (after >= Date.parse(v.modifiedBefore ?? "")) wrong.push({ field: "modifiedBefore", key: "fault.s3.times" });
  return wrong;
}

/** Refuses what would take a hidden source object for a missing one. */
function deleting(v: Values): Problem[] {
  if (v.deleteExtraneous !== "Yes") return [];
  const hides = ["include", "exclude", "minSize", "maxSize", "modifiedAfter", "modifiedBefore"].some((name) => has(v, name));
  const wrong: Problem[] = [];
  if (hides) wrong.push({ field: "deleteExtraneous", key: "fault.s3.deleteFiltered" });
  if (v.srcSkipCompare === "true") wrong.push({ field: "deleteExtraneous", key: "fault.s3.deleteUnlisted" });
  return wrong;
}

function serverSide(v: Values): Problem[] {
  if (v.transferMode !== "server_side") return [];
  if (v.srcType !== v.destType || (v.srcType === "S3_Compatible" && !sameAddress(v)))
    return [{ field: "transferMode", key: "fault.s3.serverSide" }];
  return (parseRate(v.bandwidthLimit ?? "") ?? 0n) > 0n ? [{ field: "bandwidthLimit", key: "fault.s3.serverSideLimit" }] : [];
}

function sameAddress(v: Values): boolean {
  const plain = (a: string | undefined) => (a ?? "").replace(/\/+$/, "").toLowerCase();
  return plain(v.srcEndpoint) === plain(v.destEndpoint);
}

/** Refuses a transfer whose copies would be read as sources again, or would overwrite their own sources. */
function intoItself(v: Values): Problem[] {
  if (!has(v, "srcBucket") || v.srcBucket !== v.destBucket || v.srcType !== v.destType || !sameAddress(v)) return [];
  const plain = (v.destPrefix ?? "").replace(/\/+$/, "");
  const target = plain === "" ? "" : `${plain}/`;
  const given = linesOf(v.srcPrefixList);
  const sources = given.length > 0 ? given : [v.srcPrefix ?? ""];
  return sources.some((s) => target.startsWith(s) || s.startsWith(target)) ? [{ field: "destPrefix", key: "fault.s3.intoItself" }] : [];
}

function otherStores(v: Values): Problem[] {
  if (v.destType !== "S3_Compatible" || v.destPutObjectSSEType !== "AWS_KMS_DSSE") return [];
  return [{ field: "destPutObjectSSEType", key: "fault.s3.otherStore" }];
}

function capacities(v: Values): Problem[] {
  if (!has(v, "maxCapacity")) return []; // not a contract with a fleet
  const [low, start, high] = ["minCapacity", "desiredCapacity", "maxCapacity"].map((name) => Number(v[name] ?? 0));
  if (low === undefined || start === undefined || high === undefined) return [];
  if (low > high) return [{ field: "minCapacity", key: "fault.s3.fewest", values: { max: high } }];
  return start < low || start > high ? [{ field: "desiredCapacity", key: "fault.between", values: { min: low, max: high } }] : [];
}
