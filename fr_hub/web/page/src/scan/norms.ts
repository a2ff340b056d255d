/** Volumes of healthy adults, from publications. */
export interface Norm {
  low: number;
  high: number;
  /** `spread`: 19 of 20 adults or more lie within; `means`: averages of age groups. */
  kind: "spread" | "means";
}

/** M. Matsumae et al., J Neurosurg 1996;84:982-991: 49 adults aged 24 to 80. Intracranial volume
 * of men 1469 (SD 102) ml and of women 1289 (111); brain of men 1302 (112) and of women 1143 (105).
 * From two standard deviations below the mean of women to two above that of men. */
const MATSUMAE = {
  intracranial: { low: 1289 - 2 * 111, high: 1469 + 2 * 102, kind: "spread" },
  brain: { low: 1143 - 2 * 105, high: 1302 + 2 * 112, kind: "spread" },
} satisfies Record<string, Norm>;

/** S. Yamada et al., Eur Radiol 2023;33:7099-7112: 133 adults aged 21 to 92. The average is 265 ml
 * in the twenties and 488 ml above 80. */
const YAMADA = { csf: { low: 265, high: 488, kind: "means" } } satisfies Record<string, Norm>;

/** The norms by the part of the head. For grey and white matter there is none: methods differ in
 * where they draw the border. */
export const NORMS: Record<string, Norm> = { ...MATSUMAE, ...YAMADA };

export const SOURCES = [
  "Intracranial and brain: from two standard deviations below the mean of women to two above that " +
    "of men, 49 healthy adults aged 24 to 80 (Matsumae et al., J Neurosurg 1996;84:982–991).",
  "CSF: averages from the twenties to above 80, 133 healthy adults (Yamada et al., Eur Radiol " +
    "2023;33:7099–7112).",
  "Grey and white matter: no range, as methods differ in where they draw the border.",
];
