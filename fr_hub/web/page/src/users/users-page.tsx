import { useState } from "react";

import { useSession } from "../app/session-context";
import { Button } from "../parts/button";
import { ConfirmRemoval } from "../parts/confirm-removal";
import { Dialog } from "../parts/dialog";
import { Loading } from "../parts/empty";
import { Page } from "../parts/page";
import { Problem } from "../parts/problem";
import { type Column, Table } from "../parts/table";
import { Tag } from "../parts/tag";
import { Time } from "../parts/time";
import { useDeleteUser, type User, useUsers } from "./queries";
import { TokenList } from "./token-list";
import { AddUser, ChangeUser } from "./user-dialogs";

type Open = { what: "add" } | { what: "change" | "delete" | "tokens"; user: User } | null;

/** The users of the tenant, for administrators. */
export function Component() {
  const { user: me } = useSession();
  const found = useUsers();
  const [open, setOpen] = useState<Open>(null);
  const close = () => setOpen(null);

  const columns: Column<User>[] = [
    { title: "Name", header: true, cell: (one) => one.name },
    {
      title: "Roles",
      cell: (one) => (
        <span className="row">
          {one.roles.map((role) => (
            <Tag key={role}>{role}</Tag>
          ))}
        </span>
      ),
    },
    { title: "Signs in with", cell: (one) => (one.has_password ? "password, tokens" : "tokens") },
    { title: "Added", cell: (one) => <Time at={one.created_at} form="short" /> },
    {
      title: "Actions",
      cell: (one) => (
        <span className="row">
          <Button
            onClick={() => setOpen({ what: "change", user: one })}
            aria-label={`Edit ${one.name}`}
          >
            Edit
          </Button>
          <Button
            onClick={() => setOpen({ what: "tokens", user: one })}
            aria-label={`Tokens of ${one.name}`}
          >
            Tokens
          </Button>
          <Button
            kind="danger"
            disabled={one.name === me}
            onClick={() => setOpen({ what: "delete", user: one })}
            aria-label={`Delete ${one.name}`}
          >
            Delete
          </Button>
        </span>
      ),
    },
  ];

  return (
    <Page
      title="Users"
      actions={
        <Button kind="primary" onClick={() => setOpen({ what: "add" })}>
          Add a user
        </Button>
      }
    >
      {found.isError && <Problem problem={found.error} onRetry={() => void found.refetch()} />}
      {found.isPending && <Loading what="users" />}
      {found.data && (
        <Table
          caption="Users"
          columns={columns}
          rows={found.data}
          rowKey={(one) => one.name}
          stacks="wide"
        />
      )}
      {open?.what === "add" && <AddUser onClose={close} />}
      {open?.what === "change" && <ChangeUser user={open.user} onClose={close} />}
      {open?.what === "delete" && <DeleteUser user={open.user} onClose={close} />}
      {open?.what === "tokens" && (
        <Dialog open title={`Tokens of ${open.user.name}`} onClose={close}>
          <TokenList user={open.user.name} roles={open.user.roles} />
        </Dialog>
      )}
    </Page>
  );
}

function DeleteUser({ user, onClose }: { user: User; onClose: () => void }) {
  const remove = useDeleteUser();
  return (
    <ConfirmRemoval
      title={`Delete ${user.name}?`}
      keep="Keep the user"
      remove="Delete"
      busy={remove.isPending}
      problem={remove.error}
      onClose={onClose}
      onRemove={() => remove.mutate(user.name, { onSuccess: onClose })}
    >
      Their sessions and tokens end at once. What they did stays in the audit trail under this name.
    </ConfirmRemoval>
  );
}
