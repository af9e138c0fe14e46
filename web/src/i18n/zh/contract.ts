import type { ContractTexts, ParameterTexts } from "../../parts/contracts.ts";

const bucketRule = "3 到 63 个字母、数字、点、连字符和下划线，以服务商的规则为准";
const regionRule = "区域名称，例如 eu-west-1";
const urlRule = "协议和主机，例如 https://s3.example.com";
const roleRule = "角色的 ARN";
const secretRule = "密钥的名称或 ARN";
const externalRule = "2 到 1,224 个字符";
const patternRule = "通配模式，每行一个";
const timeRule = "时间，RFC 3339";
const longList = "更长的列表可以是堆栈所在区域的一个 S3 对象，写作 s3://BUCKET/KEY；它在创建堆栈和更改参数时读取。";

const s3: Record<string, ParameterTexts> = {
  srcType: { label: "服务商", help: "读取对象的存储种类。" },
  srcBucket: { label: "存储桶", help: "从中读取对象的存储桶。", rule: bucketRule },
  srcPrefix: {
    label: "前缀",
    help: "只传输键以此文本开头的对象。按字面匹配：data 也会选中 database/x，data/ 则是一个文件夹。",
    rule: "0 到 1,024 字节的 UTF-8",
  },
  srcPrefixList: { label: "多个前缀", help: `多个前缀，每行一个，代替单个前缀。${longList}`, rule: "每行一个前缀" },
  srcPrefixsListFile: {
    label: "前缀列表文件",
    help: "一个文本文件的键，文件中每行一个前缀。换行为 LF 或 CRLF；忽略空行，合并重复和重叠的前缀。",
    rule: "一个对象的键",
  },
  srcPrefixListBucket: { label: "前缀列表文件所在的存储桶", help: "留空表示源存储桶。", rule: bucketRule },
  srcRegion: { label: "区域", help: "源存储桶所在的区域。留空表示服务商的默认区域或此账户的区域。", rule: regionRule },
  srcEndpoint: { label: "终端节点", help: "服务的地址。S3_Compatible 必须填写。", rule: urlRule },
  srcInCurrentAccount: { label: "在此账户中", help: "源存储桶是否属于此账户。" },
  srcAccountId: { label: "账户", help: "拥有源存储桶的账户。用于保护队列策略，每次调用都会核对存储桶的所有者。", rule: "12 位数字" },
  srcCredentials: {
    label: "凭证",
    help: "密钥，其内容为含 access_key_id、secret_access_key 以及可选 session_token 的 JSON。留空表示任务自己的角色；公开的存储桶则匿名访问。",
    rule: secretRule,
  },
  srcRoleArn: { label: "角色", help: "在源端代入的角色，代替密钥，须在同一分区。", rule: roleRule },
  srcExternalId: { label: "外部 ID", help: "角色的信任策略所要求的外部 ID。", rule: externalRule },
  srcEvent: { label: "跟随事件", help: "在两次比对之间，对象写入时即传输，删除时即删除。" },
  srcSkipCompare: { label: "跳过比较", help: "不列出目标端，把所有选中的对象都排入队列。" },
  isPayerRequest: { label: "请求者付费", help: "为源端的请求付费；每次调用都会发送。" },
  destType: { label: "服务商", help: "写入对象的存储种类。" },
  destBucket: { label: "存储桶", help: "对象写入的存储桶。", rule: bucketRule },
  destPrefix: { label: "前缀", help: "加在每个键之前，中间恰好有一个 /。", rule: "0 到 1,023 字节的 UTF-8" },
  destRegion: { label: "区域", help: "目标存储桶所在的区域。留空表示此账户的区域。", rule: regionRule },
  destEndpoint: { label: "终端节点", help: "服务的地址。S3_Compatible 必须填写。", rule: urlRule },
  stripSrcPrefix: { label: "去除源前缀", help: "在加上目标前缀之前，从键中去除源前缀。" },
  destInCurrentAccount: { label: "在此账户中", help: "目标存储桶是否属于此账户。" },
  destCredentials: {
    label: "凭证",
    help: "密钥，其内容为含 access_key_id、secret_access_key 以及可选 session_token 的 JSON。留空表示任务自己的角色。",
    rule: secretRule,
  },
  destRoleArn: { label: "角色", help: "在目标端代入的角色，代替密钥，须在同一分区。", rule: roleRule },
  destExternalId: { label: "外部 ID", help: "角色的信任策略所要求的外部 ID。", rule: externalRule },
  destStorageClass: {
    label: "存储类别",
    help: "对象写入时的类别；SOURCE 保持源端的类别，none 由存储桶决定。S3_Compatible 和命令行：none。",
  },
  destAcl: { label: "预设 ACL", help: "对象写入时的 ACL。S3_Compatible 和命令行：none。" },
  destPutObjectSSEType: { label: "加密", help: "要求的服务端加密；None 由存储桶决定。" },
  destPutObjectSSEKmsKeyId: { label: "KMS 密钥", help: "用于 AWS_KMS 和 AWS_KMS_DSSE 的密钥。", rule: "密钥的 ID、别名或 ARN" },
  compareMode: { label: "比较依据", help: "同一键的两个对象以什么判断不同。" },
  includeMetadata: { label: "元数据", help: "带上内容标头、网站重定向和用户元数据。" },
  includeTags: { label: "标签", help: "带上对象标签；每个有标签的对象多读一次。" },
  include: { label: "包含", help: `只传输键与其中某个通配模式匹配的对象；** 可跨越斜杠。${longList}`, rule: patternRule },
  exclude: { label: "排除", help: `不传输键与其中某个通配模式匹配的对象。${longList}`, rule: patternRule },
  minSize: { label: "最小大小", help: "不传输更小的对象。", rule: "大小，例如 64KiB" },
  maxSize: { label: "最大大小", help: "不传输更大的对象。", rule: "大小，例如 5GiB" },
  modifiedAfter: { label: "修改时间晚于", help: "只传输在此之后写入的对象。", rule: timeRule },
  modifiedBefore: { label: "修改时间早于", help: "只传输在此之前写入的对象。", rule: timeRule },
  deleteExtraneous: { label: "删除多余对象", help: "删除源端没有的目标对象。" },
  maxDeleteShare: {
    label: "最多删除",
    help: "要删除的对象超过目标端的此比例时，不删除任何对象，运行停止并询问。",
    rule: "百分之 0 到 100",
  },
  transferMode: { label: "传输方式", help: "auto 在目标端的凭证能读取源端时让目标端自行复制，否则经由工作程序传输。" },
  giantThreshold: { label: "大对象起点", help: "从此大小起，一个对象由机群逐段分担。" },
  reportBucket: { label: "报告存储桶", help: "运行报告写到哪里。留空表示只有台账中有记录。", rule: bucketRule },
  reportPrefix: { label: "报告前缀", help: "加在报告的键之前。", rule: "0 到 512 字节的 UTF-8" },
  reportAll: {
    label: "报告每个对象",
    help: "运行报告是否列出每个对象，包括两端一致的对象。在一个前缀比较完之前，它们存放在查找程序的磁盘上：每个约 500 字节。",
  },
  bandwidthLimit: { label: "带宽上限", help: "整个机群的上限；0 表示不限。", rule: "每秒的大小，例如 200MiB/s" },
  ec2VpcId: { label: "VPC", help: "实例运行所在的 VPC。", rule: "VPC 的 ID" },
  ec2Subnets: { label: "子网", help: "该 VPC 的子网，最好分布在多个可用区。", rule: "子网 ID，用逗号分隔" },
  assignPublicIp: { label: "公有地址", help: "为实例分配公有地址，用于没有 NAT 的公有子网。" },
  workerInstanceTypes: { label: "工作实例类型", help: "工作程序可以使用的实例类型；arm64。", rule: "arm64 实例类型，用逗号分隔" },
  spotPercent: { label: "Spot 比例", help: "使用 Spot 容量的工作实例所占比例。" },
  startPaused: { label: "以暂停状态开始", help: "在任务继续之前，没有首次运行、没有计划，也没有工作实例。由系统自行设置。" },
  maxCapacity: { label: "最多工作实例", help: "机群的上限。" },
  minCapacity: { label: "最少工作实例", help: "机群的下限。近实时事件建议为 1。" },
  desiredCapacity: { label: "初始工作实例", help: "机群开始时的规模。" },
  workerConcurrency: { label: "同时传输数", help: "每个工作程序中的数目；0 表示自动调节。" },
  finderInstanceType: {
    label: "查找程序实例类型",
    help: "查找程序使用的实例类型；arm64。其内存用量不随对象数增长。",
    rule: "一种 arm64 实例类型",
  },
  ec2CronExpression: {
    label: "计划",
    help: "何时开始比对传输，使用 UTC。留空表示一次。",
    rule: "EventBridge 的 cron 字段，例如 0 * * * ? *",
  },
  alarmEmail: { label: "告警邮箱", help: "告警发送到哪里；该地址会收到确认请求。", rule: "电子邮件地址" },
  logRetentionDays: { label: "日志保留", help: "天数。" },
  ledgerTtlDays: { label: "台账记录保留", help: "天数；0 表示永久保留。" },
  permissionsBoundaryArn: { label: "权限边界", help: "限定堆栈中每个角色的策略。", rule: "策略的 ARN" },
  srcProfile: { label: "源端配置文件", help: "本机 AWS 配置中用于读取源端的配置文件。留空：默认配置文件，除非源端有凭证。" },
  destProfile: { label: "目标端配置文件", help: "本机 AWS 配置中用于写入目标端的配置文件。" },
  srcEventFile: { label: "事件文件", help: "本机上的文件，每行一个事件通知，与队列送达的相同。" },
  pollEvery: {
    label: "再次查看间隔",
    help: "从一次比对开始到下一次开始的时间，代替计划：5s、10m 或 2h。",
    rule: "秒、分钟或小时数，例如 30s",
  },
};

/** Texts of the plugins' contracts, which the hub says in English. */
const hostRule = "镜像仓库的主机，例如 ghcr.io 或 localhost:5000";
const ecrExternalRule = "最多 1,224 个字母、数字和 =,.@:/-";

const ecr: Record<string, ParameterTexts> = {
  sourceType: { label: "种类", help: "Amazon ECR，或任何 OCI 镜像仓库，可以登录，也可以不登录。" },
  srcRegion: { label: "区域", help: "源 ECR 所在的区域。留空表示堆栈所在的区域。", rule: regionRule },
  srcAccountId: { label: "账户", help: "源 ECR 所属的账户。留空表示此账户，或凭证所属的账户。", rule: "12 位数字" },
  srcList: { label: "镜像", help: "全部镜像，或列表中的镜像。不能列出自身仓库的镜像仓库需要一个列表。" },
  srcImageList: {
    label: "镜像列表",
    help: "[镜像仓库[:端口]/]仓库[:标签或 @摘要]，每行一个或以逗号分隔。标签处可以写 ALL_TAGS、通配模式、/正则表达式/ 或 semver(版本范围)。更长的列表：下面的参数，或存放列表的对象 s3://BUCKET/KEY。",
  },
  srcImageListParameter: { label: "存放列表的参数", help: "存放列表的 SSM 参数的名称。", rule: "一个 SSM 参数的名称" },
  srcCredential: { label: "凭证", help: "密钥：ECR 用访问密钥，其他镜像仓库用用户名和密码，或令牌。", rule: secretRule },
  srcRoleArn: { label: "角色", help: "在源端代入的角色，代替密钥，须在同一分区。", rule: roleRule },
  srcExternalId: { label: "外部 ID", help: "角色的信任策略所要求的外部 ID。", rule: ecrExternalRule },
  destRegion: { label: "区域", help: "目标 ECR 所在的区域。", rule: regionRule },
  destAccountId: { label: "账户", help: "目标 ECR 所属的账户。留空表示此账户，或凭证所属的账户。", rule: "12 位数字" },
  destPrefix: { label: "前缀", help: "加在仓库名称之前。", rule: "小写字母和数字，中间可以有 . _ - /" },
  destCredential: { label: "凭证", help: "含访问密钥的密钥。", rule: secretRule },
  destRoleArn: { label: "角色", help: "在目标端代入的角色，代替密钥，须在同一分区。", rule: roleRule },
  destExternalId: { label: "外部 ID", help: "角色的信任策略所要求的外部 ID。", rule: ecrExternalRule },
  destRepositorySettings: {
    label: "新仓库的设置",
    help: "从源端复制标签不可变性、推送时扫描和生命周期，或采用 ECR 的默认值。策略和加密密钥从不复制。",
  },
  includeUntagged: { label: "无标签的镜像", help: "按摘要复制没有标签的清单。" },
  includeReferrers: { label: "附属内容", help: "签名、SBOM 和证明随镜像一起复制。" },
  deleteExtraneous: { label: "删除多余镜像", help: "在整个选取的仓库中，删除源端没有的目标镜像。" },
  maxDeleteShare: { label: "最多删除", help: "占目标镜像的比例；超过时不删除任何镜像，运行失败。", rule: "0 到 100 的百分比" },
  scheduleExpression: { label: "计划", help: "运行开始的时间，UTC。留空表示一次。", rule: "EventBridge 的 rate(...) 或 cron(...)" },
  pushEvents: { label: "跟随推送", help: "每次向源端推送时也开始一次运行。源端必须是堆栈所在账户和区域的 ECR：推送只在那里通知。" },
  ecsClusterName: { label: "ECS 集群", help: "任务运行所在的集群。", rule: "集群的名称" },
  ecsVpcId: { label: "VPC", help: "任务运行所在的 VPC。", rule: "VPC 的 ID" },
  ecsSubnetA: { label: "第一个子网", help: "该 VPC 的一个子网。", rule: "子网的 ID" },
  ecsSubnetB: { label: "第二个子网", help: "该 VPC 的另一个子网，最好在另一个可用区。", rule: "子网的 ID" },
  assignPublicIp: { label: "公有地址", help: "为任务分配公有地址，用于没有 NAT 的公有子网。" },
  taskCpu: { label: "任务的 CPU", help: "单位为 1/1024 vCPU。" },
  taskMemory: { label: "任务的内存", help: "MiB；每种 CPU 只允许某些大小。" },
  cpuArchitecture: { label: "架构", help: "运行任务的处理器的架构。" },
  copierImage: {
    label: "复制程序的镜像",
    help: "复制程序的容器镜像，在此区域的一个 ECR 中。留空表示该版本自带的镜像。",
    rule: "registry/repository:tag 或 registry/repository@digest",
  },
  alarmEmail: { label: "告警邮箱", help: "告警发往的地址；系统会请该地址确认。", rule: "一个邮箱地址" },
  logRetentionDays: { label: "日志保留", help: "天数。" },
  startPaused: { label: "以暂停状态开始", help: "在任务继续之前，没有首次运行，也不按计划或推送运行。由系统自行设置。" },
  permissionsBoundaryArn: { label: "权限边界", help: "限制堆栈中每个角色的策略。", rule: "策略的 ARN" },
  srcRegistry: {
    label: "源镜像仓库",
    help: "源不是 Amazon ECR 时的主机，或主机:端口；列表中没有写明镜像仓库的镜像从这里读取。留空：docker.io。",
    rule: hostRule,
  },
  destRegistry: { label: "目标镜像仓库", help: "目标的主机，或主机:端口。留空：destRegion 的 Amazon ECR。", rule: hostRule },
  insecureRegistries: { label: "不用 TLS 的镜像仓库", help: "以明文 HTTP 访问的主机。回环地址上的主机按其自身的方式访问。" },
  pollEvery: {
    label: "再次查看间隔",
    help: "一次运行开始到下一次开始的时间，代替计划：30s、10m 或 2h。",
    rule: "秒、分钟或小时数，例如 30s",
  },
};

export const contract: ContractTexts = {
  groups: {
    Source: "源端",
    Destination: "目标端",
    "What and how": "内容和方式",
    What: "内容",
    Schedule: "计划",
    Fleet: "机群",
    Notification: "通知",
    Housekeeping: "日常维护",
    "This machine": "本机",
  },
  effects: {
    "takes effect with the next run": "从下次运行起生效",
    "restarts the workers": "重启工作程序",
    "refused: create another task": "不允许：请另建任务",
  },
  descriptions: {
    S3: "存储之间的对象：Amazon S3、其他云，以及使用其协议的存储",
    ECR: "容器镜像：从另一个 Amazon ECR 或任何 OCI 镜像仓库，传输到 Amazon ECR",
  },
  parameters: { S3: s3, ECR: ecr },
};
