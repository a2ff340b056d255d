/** ECGs that go to the user's own account: the files of an upload in one form. */
import type { components } from "../api/schema";
import { WHOLE } from "../upload/grouping";
import { sendBody } from "../upload/requests";
import { Speed } from "../upload/speed";
import type { Transfer } from "../upload/transfer";
import { Uploads } from "../upload/uploads";

type StoredEcg = components["schemas"]["StoredEcg"];

/** Files that hold whole recordings. The others, such as the header and the samples of a WFDB
 * record, stay together. */
const RECORDINGS = /\.(json|csv|xml|edf|bdf|rec|scp|dcm)$/i;
export const WHOLE_ECGS = new RegExp(`${RECORDINGS.source}|${WHOLE.source}`, "i");

const AS_FORM: Transfer = {
  async send(work, signal, tell) {
    const form = new FormData();
    for (const { file, path } of work.group.files) form.append("file", file, path);
    const size = work.group.files.reduce((sum, one) => sum + one.file.size, 0);
    const speed = new Speed();
    tell({ phase: "sending", problem: null, retryIn: null, sent: 0 });
    const answer = await sendBody("POST", "/api/v1/ecgs", form, {}, signal, (bytes) => {
      // The form is a little longer than its files.
      const sent = Math.min(bytes, size);
      if (sent < size) tell({ sent, speed: speed.at(sent) });
      else tell({ sent, speed: null, phase: "storing" });
    });
    return (JSON.parse(answer) as StoredEcg).files;
  },

  repeats: () => Promise.resolve(false),

  cancel: () => Promise.resolve(),
};

/** ECGs that go to the user's account. */
export const ecgUploads = new Uploads(AS_FORM);
