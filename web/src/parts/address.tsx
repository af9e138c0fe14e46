import { Fragment } from "react";
import "./address.css";

/** An address, or a text with one in it, which is broken behind its marks where it does not fit, and not within its words. */
export function Address(props: { of: string }) {
  const parts = props.of.split(/(?<=[/:@?&=._-])(?![/:])/);
  return (
    <span className="address">
      {parts.map((part, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the same part may come twice, and none moves
        <Fragment key={i}>
          {i > 0 && <wbr />}
          {part}
        </Fragment>
      ))}
    </span>
  );
}
