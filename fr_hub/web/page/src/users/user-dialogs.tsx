import { type FormEvent, type ReactNode, useId, useState } from "react";

import { asProblem } from "../api/problem";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Field } from "../parts/field";
import { Problem } from "../parts/problem";
import { type Role, ROLES, useAddUser, useChangeUser, type User } from "./queries";

/** The form of a new user. */
export function AddUser({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [roles, setRoles] = useState<Role[]>(["reader"]);
  const [password, setPassword] = useState("");
  const add = useAddUser();
  const errors = fieldsOf(add.error);
  return (
    <Form
      title="Add a user"
      action="Add"
      busy={add.isPending}
      onClose={onClose}
      onSubmit={() =>
        add.mutate({ name, roles, password: password || null }, { onSuccess: onClose })
      }
    >
      {add.isError && <Problem problem={add.error} />}
      <Field
        label="Name"
        hint="Letters, digits, dots, underscores, hyphens and @"
        error={errors.get("name")}
      >
        {(props) => (
          <input
            {...props}
            required
            autoFocus
            maxLength={64}
            autoComplete="off"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <RoleBoxes roles={roles} onChange={setRoles} />
      <Password
        label="Password"
        hint="12 to 256 characters. Without one, the user can only use tokens."
        error={errors.get("password")}
        value={password}
        onChange={setPassword}
      />
    </Form>
  );
}

/** The form of a user's roles and password. */
export function ChangeUser({ user, onClose }: { user: User; onClose: () => void }) {
  const [roles, setRoles] = useState<Role[]>(user.roles);
  const [password, setPassword] = useState("");
  const change = useChangeUser();
  return (
    <Form
      title={`Edit ${user.name}`}
      action="Save"
      busy={change.isPending}
      onClose={onClose}
      onSubmit={() =>
        change.mutate({ user, roles, ...(password && { password }) }, { onSuccess: onClose })
      }
    >
      {change.isError && <Problem problem={change.error} />}
      <RoleBoxes roles={roles} onChange={setRoles} />
      <Password
        label="New password"
        hint="12 to 256 characters. Ends the user's sessions. Leave empty to keep the old one."
        error={fieldsOf(change.error).get("password")}
        value={password}
        onChange={setPassword}
      />
    </Form>
  );
}

function fieldsOf(error: unknown): Map<string, string> {
  if (!error) return new Map();
  return new Map(asProblem(error).fields.map((one) => [one.field, one.message]));
}

interface FormProps {
  title: string;
  action: string;
  busy: boolean;
  onClose: () => void;
  onSubmit: () => void;
  children: ReactNode;
}

function Form({ title, action, busy, onClose, onSubmit, children }: FormProps) {
  const id = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSubmit();
  };
  return (
    <Dialog
      open
      title={title}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form={id} busy={busy}>
            {action}
          </Button>
        </>
      }
    >
      <form id={id} className="stack" onSubmit={submit}>
        {children}
      </form>
    </Dialog>
  );
}

interface PasswordProps {
  label: string;
  hint: string;
  error: string | undefined;
  value: string;
  onChange: (value: string) => void;
}

/** A password that the browser must not fill in, because it is another person's. */
function Password({ label, hint, error, value, onChange }: PasswordProps) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(props) => (
        <input
          {...props}
          type="password"
          autoComplete="new-password"
          minLength={12}
          maxLength={256}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

function RoleBoxes(props: { roles: Role[]; onChange: (roles: Role[]) => void }) {
  const { roles, onChange } = props;
  return (
    <fieldset className="choices">
      <legend>Roles</legend>
      {(Object.entries(ROLES) as [Role, string][]).map(([role, meaning]) => (
        <label key={role} className="choice">
          <input
            type="checkbox"
            checked={roles.includes(role)}
            onChange={(event) =>
              onChange(
                event.target.checked ? [...roles, role] : roles.filter((one) => one !== role),
              )
            }
          />
          <span>
            <strong>{role}</strong> <span className="muted">{meaning}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
