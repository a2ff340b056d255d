import { useNavigate } from "react-router";

import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Loading } from "../parts/empty";
import { countText } from "../parts/formats";
import { Note } from "../parts/note";
import { Problem } from "../parts/problem";
import { type Patient, useDeletePatient, useDeletion } from "./queries";

/** Says what would be deleted with the patient, and deletes it. */
export function DeletePatient({ patient, onClose }: { patient: Patient; onClose: () => void }) {
  const would = useDeletion(patient.id);
  const remove = useDeletePatient(patient.id);
  const navigate = useNavigate();
  const number = would.data?.scans;

  return (
    <Dialog
      open
      title={`Delete ${patient.name}?`}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Keep the patient</Button>
          <Button
            kind="danger"
            busy={remove.isPending}
            disabled={number === undefined}
            onClick={() => {
              if (number !== undefined) {
                remove.mutate(number, { onSuccess: () => void navigate("/patients") });
              }
            }}
          >
            {number ? `Delete the patient and erase ${countText(number, "scan")}` : "Delete"}
          </Button>
        </>
      }
    >
      {would.isPending && <Loading />}
      {would.isError && <Problem problem={would.error} />}
      {would.data && (
        <Note tone="warn">
          This deletes the patient with {countText(would.data.measurements, "measurement")}, and
          erases {countText(would.data.scans, "scan")} with all reports, for good.
        </Note>
      )}
      {remove.isError && <Problem problem={remove.error} />}
    </Dialog>
  );
}
