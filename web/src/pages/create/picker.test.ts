import { expect, test } from "vitest";
import vectors from "../../api/contracts.json";
import { readContracts } from "../../api/contracts.ts";
import { pickerOf } from "./picker.tsx";
import { vpcOf } from "./settings.tsx";

const [s3, ecr] = ["S3", "ECR"].map((type) => {
  const found = readContracts(vectors.cloud).find((c) => c.type === type);
  if (!found) throw new Error(`there is no contract of ${type}`);
  return found;
});

test.each([
  ["S3", s3, { buckets: 4, secrets: 2, kmsKeys: 1, vpcs: 1, subnets: 1, regions: 2 }],
  ["ECR", ecr, { secrets: 2, vpcs: 1, subnets: 2, regions: 2 }],
])("what the hub can list of %s is offered", (_, contract, want) => {
  const found: Record<string, number> = {};
  for (const p of contract?.parameters ?? []) {
    const kind = pickerOf(p.name);
    if (kind) found[kind] = (found[kind] ?? 0) + 1;
  }
  expect(found).toEqual(want);
});

test("subnets are those of the VPC that was chosen, whatever the plugin calls it", () => {
  expect(s3 && vpcOf(s3, { ec2VpcId: "vpc-1" })).toBe("vpc-1");
  expect(ecr && vpcOf(ecr, { ecsVpcId: "vpc-2" })).toBe("vpc-2");
  expect(ecr && vpcOf(ecr, {})).toBe("");
});
