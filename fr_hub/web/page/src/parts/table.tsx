import type { ReactNode } from "react";

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ReactNode;
  /** Numbers are on the right. */
  right?: boolean;
  /** Names its row for screen readers. */
  header?: boolean;
}

interface Props<Row> {
  /** What the table has, for screen readers. */
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  /** Where there is little room, each row is a card with a line for each cell: on phones, or already
   * at the width of a tablet. Other tables scroll sideways. */
  stacks?: "narrow" | "wide";
}

/** A table of moderate length. */
export function Table<Row>({ caption, columns, rows, rowKey, stacks }: Props<Row>) {
  return (
    <div
      className="table-wrap"
      data-stacks={stacks}
      tabIndex={0}
      role="region"
      aria-label={caption}
    >
      <table className="table">
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" className={column.right ? "right" : undefined}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map((column) =>
                column.header ? (
                  <th key={column.title} scope="row">
                    {column.cell(row)}
                  </th>
                ) : (
                  <td
                    key={column.title}
                    className={column.right ? "right" : undefined}
                    data-title={column.title}
                  >
                    {column.cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
