import Button from "@cloudscape-design/components/button";
import Wizard, { type WizardProps } from "@cloudscape-design/components/wizard";
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { WholeFragment } from "../../api/generated.ts";
import { useText } from "../../i18n/text.tsx";
import type { Plugin } from "../../parts/contracts.ts";
import { InfoLink } from "../../parts/info.tsx";
import { changesOf } from "./changes.ts";
import { type Draft, useVerdict, type Verdict } from "./draft.ts";
import { FirstStep } from "./first.tsx";
import { UnsavedGuard } from "./guard.tsx";
import { ReviewStep } from "./review.tsx";
import { SettingsStep } from "./settings.tsx";
import { type Step, steps } from "./steps.ts";
import { toValues, type Values } from "./values.ts";

interface Props {
  /** What the wizard begins with. */
  draft: Draft;
  plugins: Plugin[];
  /** The values that the forms of a plugin begin with when its type is chosen. */
  defaultsOf: (type: string) => Values;
  /** The task that is edited; undefined: a new one is made. */
  task?: WholeFragment;
  /** It is filled in already: every step can be gone to at once. */
  filled?: boolean;
  busy: boolean;
  /** Above the steps: what was refused. */
  notice?: ReactNode;
  /** `start` is false for what is to be checked first. */
  onSubmit: (draft: Draft, verdict: Verdict, start: boolean) => void;
  onCancel: () => void;
  /** Set to true before leaving the page with everything saved. */
  saved: React.RefObject<boolean>;
}

/** The wizard that makes and changes tasks, built from the contract of the plugin. */
export function TaskWizard(props: Props) {
  const text = useText();
  const { task, plugins } = props;
  const [draft, setDraft] = useState(props.draft);
  const plugin = plugins.find((p) => p.type === draft.type) ?? (plugins[0] as Plugin);
  const before = useRef(toValues(task?.parameters ?? [])).current;
  const verdict = useVerdict(draft, plugin, before);
  const [at, go] = useSteps(props.filled ?? false);
  const faults = useFaults(verdict, at);
  const change = (c: Partial<Draft>) => {
    for (const name of Object.keys(c)) faults.touch(name);
    const given = c.type && c.type !== draft.type ? props.defaultsOf(c.type) : draft.given;
    setDraft({ ...draft, given, ...c });
  };
  const set = (name: string, value: string) => {
    faults.touch(name);
    setDraft({ ...draft, given: { ...draft.given, [name]: value } });
  };
  const submit = (start: boolean) => {
    if (verdict.wrong.length === 0 && !verdict.checking) props.onSubmit(draft, verdict, start);
  };
  const content: Record<Step, () => ReactNode> = {
    type: () => <FirstStep draft={draft} plugins={plugins} task={task} errorOf={faults.of} onChange={change} />,
    source: settings("source"),
    destination: settings("destination"),
    what: settings("what"),
    fleet: settings("fleet"),
    review: () => (
      <ReviewStep
        draft={draft}
        plugin={plugin}
        verdict={verdict}
        changes={task && changesOf(task, draft, plugin, verdict.entries, text)}
        onGo={(step) => go(steps.indexOf(step))}
      />
    ),
  };
  function settings(step: Step) {
    return () => (
      <SettingsStep
        key={step + draft.type}
        step={step}
        plugin={plugin}
        given={draft.given}
        frozen={task !== undefined}
        errorOf={faults.of}
        onChange={set}
      />
    );
  }
  const last = at === steps.length - 1;
  return (
    <>
      <UnsavedGuard dirty={draft !== props.draft} saved={props.saved} />
      {props.notice}
      <Wizard
        i18nStrings={strings(text, task !== undefined)}
        activeStepIndex={at}
        isLoadingNextStep={props.busy || (last && verdict.checking)}
        onNavigate={(e) => {
          const { requestedStepIndex: wanted, reason } = e.detail;
          if (reason !== "next" || faults.pass()) go(wanted);
        }}
        onCancel={props.onCancel}
        onSubmit={() => submit(true)}
        secondaryActions={
          last &&
          !task && (
            <Button
              disabled={props.busy || verdict.wrong.length > 0 || verdict.checking}
              disabledReason={text(verdict.wrong.length > 0 ? "review.wrongNext" : "review.checking")}
              onClick={() => submit(false)}
            >
              {text("create.submitFirst")}
            </Button>
          )
        }
        steps={steps.map((step, i) => ({
          title: text(`create.${step}`),
          description: text(`create.${step}.text`),
          info: <InfoLink />,
          content: i === at ? content[step]() : null,
        }))}
      />
    </>
  );
}

function strings(text: ReturnType<typeof useText>, edits: boolean): WizardProps.I18nStrings {
  return {
    stepNumberLabel: (n) => text("create.step", { n }),
    collapsedStepsLabel: (n, all) => text("create.stepsOf", { n, all }),
    skipToButtonLabel: (step) => text("create.skip", { title: step.title }),
    navigationAriaLabel: text("create.steps"),
    cancelButton: text("action.cancel"),
    previousButton: text("create.previous"),
    nextButton: text("create.next"),
    submitButton: text(edits ? "create.save" : "create.submit"),
    optional: text("create.optional"),
  };
}

/** The step that is shown. One that is filled in begins at the first, too, but every step has been seen: all can be gone to. */
function useSteps(filled: boolean): [number, (at: number) => void] {
  const [at, setAt] = useState(filled ? steps.length - 1 : 0);
  useLayoutEffect(() => {
    if (filled) setAt(0);
  }, [filled]);
  return [at, setAt];
}

/** Which faults are shown: those of fields that somebody has changed, and all of a step that was to be left. */
function useFaults(verdict: Verdict, at: number) {
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const [refused, setRefused] = useState<ReadonlySet<number>>(new Set());
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (tries > 0) document.querySelector<HTMLElement>('main [aria-invalid="true"]')?.focus();
  }, [tries]);
  const here = verdict.wrong.filter((w) => steps.indexOf(w.step) === at);
  return {
    touch: (field: string) => setTouched((all) => (all.has(field) ? all : new Set([...all, field]))),
    of: (field: string) => {
      const fault = here.find((w) => w.field === field);
      const touchedToo = touched.has(field) || touched.has(field.split(".")[0] ?? "");
      return fault && (touchedToo || refused.has(at) || fault.there) ? fault.message : undefined;
    },
    /** Whether the step can be left; if not, its faults show and the first has the focus. */
    pass: () => {
      if (here.length === 0) return true;
      setRefused((all) => new Set([...all, at]));
      setTries((n) => n + 1);
      return false;
    },
  };
}
