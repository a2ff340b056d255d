import "../styles/upload.css";

import { type DragEvent, type ReactNode, useRef, useState } from "react";

import { Button } from "../parts/button";
import { Icon } from "../parts/icon";
import { chosen, type ChosenFile, dropped } from "./grouping";

interface Props {
  onFiles: (files: ChosenFile[]) => void;
  onProblem: (problem: string) => void;
  /** What may be dropped. */
  children: ReactNode;
}

/** Where files and folders are dropped or chosen. */
export function DropZone({ onFiles, onProblem, children }: Props) {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);

  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    dropped(event.dataTransfer).then(onFiles, () => {
      onProblem("This browser could not read what you dropped. Choose the files instead.");
    });
  };
  const picked = (input: HTMLInputElement) => {
    onFiles(chosen(input.files ?? []));
    input.value = ""; // so that the same file can be chosen again
  };

  return (
    <div
      className="drop-zone"
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <Icon name="upload" size={32} />
      <p>
        <strong>Drop files or folders here</strong>
      </p>
      <p className="muted">{children}</p>
      <div className="row">
        <Button kind="primary" onClick={() => files.current?.click()}>
          Choose files
        </Button>
        <Button onClick={() => folder.current?.click()}>Choose a folder</Button>
      </div>
      <input
        ref={files}
        type="file"
        multiple
        hidden
        aria-label="Files to upload"
        onChange={(event) => picked(event.currentTarget)}
      />
      <input
        ref={folder}
        type="file"
        hidden
        aria-label="Folder to upload"
        {...{ webkitdirectory: "" }}
        onChange={(event) => picked(event.currentTarget)}
      />
    </div>
  );
}
