import { addressOf } from "../scan/scan-api";
import type { ScanViewProps } from "../scan/views";
import { EcgParts } from "./ecg-parts";

/** A scan that is an ECG. */
export default function EcgView({ scan, report }: ScanViewProps) {
  if (!scan.signal) return null;
  const { sampling_rate_hz, leads, units } = scan.signal;
  return (
    <EcgParts
      title={`ECG of scan ${scan.scan_id}`}
      url={addressOf(scan.key, "samples")}
      recording={{ rate: sampling_rate_hz, leads, units, count: scan.shape?.[0] ?? 0 }}
      findings={report?.findings ?? null}
    />
  );
}
