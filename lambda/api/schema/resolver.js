// Code of every root field's resolver: one Lambda answers all fields. It gives errors with a code and what to do, which a Lambda's
// own errors could not carry.
import { util } from '@aws-appsync/utils'

export function request(ctx) {
  return {
    operation: 'Invoke',
    payload: {
      arguments: ctx.arguments,
      identity: ctx.identity,
      info: { fieldName: ctx.info.fieldName, parentTypeName: ctx.info.parentTypeName },
    },
  }
}

export function response(ctx) {
  if (ctx.error) {
    util.error('something in the hub failed', 'INTERNAL', null, { code: 'INTERNAL', next: "look at the log of the hub's API function" })
  }
  if (ctx.result.error) {
    const e = ctx.result.error
    util.error(e.message, e.code, null, e.info)
  }
  return ctx.result.data
}
