interface Props {
  label: string;
  /** For screen readers, if the label alone is too short. */
  name?: string | undefined;
  /** For eyes, the label may be left out where a heading says it. */
  hideLabel?: boolean;
  min: number;
  max: number;
  step?: number;
  value: number;
  /** What is shown beside it. */
  text?: string;
  disabled?: boolean;
  onChange: (value: number) => void;
}

/** A slider with its label and its value. */
export function Slider({ label, name, hideLabel, text, onChange, ...range }: Props) {
  return (
    <label className="slider">
      <span className={hideLabel ? "visually-hidden" : "slider-label"}>{label}</span>
      <input
        {...range}
        type="range"
        aria-label={name}
        onChange={(event) => onChange(Number(event.target.value))}
      />
      {text !== undefined && <output>{text}</output>}
    </label>
  );
}
