import { useNavigate } from "react-router";

import { ConfirmRemoval } from "../parts/confirm-removal";
import { Loading } from "../parts/empty";
import { countText } from "../parts/formats";
import { type Patient, useDeletePatient, useDeletion } from "./queries";

/** Says what would be deleted with the patient, and deletes it. */
export function DeletePatient({ patient, onClose }: { patient: Patient; onClose: () => void }) {
  const would = useDeletion(patient.id);
  const remove = useDeletePatient(patient.id);
  const navigate = useNavigate();
  const number = would.data?.scans;

  return (
    <ConfirmRemoval
      title={`Delete ${patient.name}?`}
      keep="Keep the patient"
      remove={number ? `Delete the patient and erase ${countText(number, "scan")}` : "Delete"}
      ready={number !== undefined}
      busy={remove.isPending}
      problem={remove.error ?? would.error}
      onClose={onClose}
      onRemove={() => {
        if (number !== undefined) {
          remove.mutate(number, { onSuccess: () => void navigate("/patients") });
        }
      }}
    >
      {would.isPending && <Loading />}
      {would.data &&
        `This deletes the patient with ${countText(would.data.measurements, "measurement")}, and ` +
          `erases ${countText(would.data.scans, "scan")} with all reports, for good.`}
    </ConfirmRemoval>
  );
}
