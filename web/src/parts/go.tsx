import Link, { type LinkProps } from "@cloudscape-design/components/link";
import type { ReactNode } from "react";
import { useNavigate } from "react-router";

interface Props {
  to: string;
  children: ReactNode;
  variant?: LinkProps.Variant;
  size?: LinkProps.FontSize;
  ariaLabel?: string;
}

/** A link to another page of the console. Opening it in a new tab works as with any link. */
export function Go(props: Props) {
  const navigate = useNavigate();
  return (
    <Link
      href={props.to}
      variant={props.variant}
      fontSize={props.size}
      ariaLabel={props.ariaLabel}
      onFollow={(event) => {
        if (event.detail.target === "_blank") return;
        event.preventDefault();
        void navigate(props.to);
      }}
    >
      {props.children}
    </Link>
  );
}
