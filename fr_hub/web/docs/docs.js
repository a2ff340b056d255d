// Renders the OpenAPI document. All text goes in as text, never as markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];
const DEEPEST = 6;

function make(tag, properties, ...children) {
  const node = document.createElement(tag);
  Object.assign(node, properties);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function resolved(api, schema) {
  let found = schema || {};
  for (let steps = 0; found.$ref && steps < 20; steps += 1) {
    found = found.$ref
      .split("/")
      .slice(1)
      .reduce((inside, name) => (inside || {})[name.replace(/~1/g, "/").replace(/~0/g, "~")], api) || {};
  }
  return found;
}

function typeOf(api, schema) {
  const one = resolved(api, schema);
  const choices = one.anyOf || one.oneOf;
  if (choices) return choices.map((choice) => typeOf(api, choice)).join(" or ");
  if (one.const !== undefined) return JSON.stringify(one.const);
  if (one.enum) return one.enum.map((value) => JSON.stringify(value)).join(", ");
  if (one.type === "array") return `list of ${typeOf(api, one.items || one.prefixItems?.[0])}`;
  return [one.format || one.type || one.title || "any"].flat().join(" or ");
}

function limitsOf(api, schema) {
  const one = resolved(api, schema);
  const inside = (one.anyOf || [one]).map((choice) => resolved(api, choice));
  const words = [];
  for (const part of inside) {
    if (part.minimum !== undefined) words.push(`≥ ${part.minimum}`);
    if (part.maximum !== undefined) words.push(`≤ ${part.maximum}`);
    if (part.exclusiveMinimum !== undefined) words.push(`> ${part.exclusiveMinimum}`);
    if (part.exclusiveMaximum !== undefined) words.push(`< ${part.exclusiveMaximum}`);
    if (part.maxLength !== undefined) words.push(`at most ${part.maxLength} characters`);
    if (part.maxItems !== undefined) words.push(`at most ${part.maxItems} items`);
    if (part.pattern !== undefined) words.push(part.pattern);
  }
  if (one.default !== undefined && one.default !== null) words.push(`default ${JSON.stringify(one.default)}`);
  return words.join("; ");
}

function table(heads, rows) {
  const line = (cell, tag) => make(tag, {}, cell);
  return make("div", { className: "wide" }, make(
    "table", {},
    make("thead", {}, make("tr", {}, ...heads.map((head) => line(head, "th")))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell) => line(cell, "td"))))),
  ));
}

function fieldsOf(api, schema, prefix = "", depth = 0) {
  const one = resolved(api, schema);
  const choice = (one.anyOf || one.oneOf || []).find((some) => resolved(api, some).type !== "null");
  if (choice) return fieldsOf(api, choice, prefix, depth);
  if (one.type === "array") return fieldsOf(api, one.items, `${prefix}[]`, depth);
  if (!one.properties || depth >= DEEPEST) return [];
  return Object.entries(one.properties).flatMap(([name, about]) => {
    const path = prefix ? `${prefix}.${name}` : name;
    const needed = (one.required || []).includes(name) ? "required" : "";
    const text = about.description || resolved(api, about).description || "";
    const limits = limitsOf(api, about);
    const row = [make("code", { textContent: path }), typeOf(api, about), needed, [text, limits].filter(Boolean).join(" · ")];
    return [row, ...fieldsOf(api, about, path, depth + 1)];
  });
}

function contentOf(api, content) {
  return Object.entries(content || {}).flatMap(([kind, about]) => {
    const rows = fieldsOf(api, about.schema);
    const name = make("p", {}, make("code", { textContent: kind }), rows.length ? "" : ` ${typeOf(api, about.schema)}`);
    return rows.length ? [name, table(["field", "type", "", ""], rows)] : [name];
  });
}

function commandOf(api, path, method, about) {
  const words = ["curl", "-H 'Authorization: Bearer TOKEN'"];
  if (method !== "get") words.push(`-X ${method.toUpperCase()}`);
  const kinds = Object.keys(about.requestBody?.content || {});
  if (kinds.includes("application/json")) words.push("-H 'Content-Type: application/json'", "-d @body.json");
  return `${words.join(" ")} ${location.origin}${path}`;
}

function operation(api, path, method, about, shared) {
  const parameters = [...(shared || []), ...(about.parameters || [])].map((one) => resolved(api, one));
  const body = make("div", { className: "body" });
  if (about.description) body.append(make("p", { textContent: about.description }));
  if (parameters.length) {
    body.append(make("h3", { textContent: "Parameters" }), table(["name", "in", "type", "", ""], parameters.map((one) => [
      make("code", { textContent: one.name }), one.in, typeOf(api, one.schema), one.required ? "required" : "",
      [one.description, limitsOf(api, one.schema)].filter(Boolean).join(" · "),
    ])));
  }
  const request = resolved(api, about.requestBody);
  if (request.content) body.append(make("h3", { textContent: "Body" }), ...contentOf(api, request.content));
  for (const [status, answer] of Object.entries(about.responses || {})) {
    const one = resolved(api, answer);
    body.append(make("h3", { textContent: `${status} ${one.description || ""}` }), ...contentOf(api, one.content));
  }
  body.append(make("pre", { textContent: commandOf(api, path, method, about) }));
  const node = make(
    "details", { className: "operation" },
    make("summary", {}, make("span", { className: "method", textContent: method }),
      make("span", { className: "path", textContent: path }), make("span", { className: "summary", textContent: about.summary || "" })),
    body,
  );
  node.dataset.text = [method, path, about.summary, about.description].join(" ").toLowerCase();
  return node;
}

function render(api) {
  document.getElementById("about").textContent = `Version ${api.info.version}. ${api.info.description || ""}`;
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths || {})) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = (item[method].tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(api, path, method, item[method], item.parameters));
    }
  }
  const main = document.getElementById("operations");
  for (const [tag, operations] of groups) {
    main.append(make("section", { id: `tag-${tag}` }, make("h2", { textContent: tag }), ...operations));
  }
  document.getElementById("find").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const section of main.children) {
      const all = [...section.querySelectorAll(".operation")];
      for (const one of all) one.hidden = !words.every((word) => one.dataset.text.includes(word));
      section.hidden = all.every((one) => one.hidden);
    }
  });
}

fetch("/api/v1/openapi.json", { headers: { Accept: "application/json" } })
  .then((answer) => {
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    return answer.json();
  })
  .then(render)
  .catch((error) => {
    document.getElementById("about").textContent = `The OpenAPI document could not be read (${error.message}); reload the page.`;
  });
