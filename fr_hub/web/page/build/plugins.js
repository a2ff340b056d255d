// Plugins of the build. In JavaScript, because Node.js' own types are not installed.
import { readdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const VIRTUAL = "virtual:licences";
// Types and tools that declare themselves as dependencies, of which nothing is in the page.
const NOT_BUNDLED = /^node_modules\/(@types\/|@rollup\/|csstype$)/;

function licenceText(folder) {
  const name = readdirSync(folder).find((file) => /^licen[cs]e(\.(md|txt))?$/i.test(file));
  return name ? readFileSync(join(folder, name), "utf8").trim() : "";
}

function bundled(root) {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  return Object.entries(lock.packages)
    .filter(([path, one]) => path && !one.dev && !one.optional && !NOT_BUNDLED.test(path))
    .map(([path, one]) => ({
      name: path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length),
      version: one.version,
      licence: one.license ?? "",
      text: licenceText(join(root, path)),
    }));
}

/** The module `virtual:licences`: the packages in the page, with their licences. */
export function licences() {
  let root = ".";
  return {
    name: "fr-licences",
    configResolved(config) {
      root = config.root;
    },
    resolveId: (id) => (id === VIRTUAL ? `\0${VIRTUAL}` : null),
    load: (id) =>
      id === `\0${VIRTUAL}` ? `export default ${JSON.stringify(bundled(root))}` : null,
  };
}

// A server that runs meanwhile finds a file whole or not at all.
function writeWhole(path, content) {
  writeFileSync(`${path}.tmp`, content);
  renameSync(`${path}.tmp`, path);
}

/** Stores each text of the build compressed, too, so that the server need not compress it. */
export function compressed() {
  return {
    name: "fr-compressed",
    apply: "build",
    writeBundle(options, bundle) {
      for (const name of Object.keys(bundle)) {
        if (!/\.(js|css|html|svg|json|wasm)$/.test(name)) continue;
        const path = join(options.dir, name);
        const content = readFileSync(path);
        if (content.length < 1000) continue;
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };
        writeWhole(`${path}.br`, brotliCompressSync(content, quality));
        writeWhole(`${path}.gz`, gzipSync(content, { level: 9 }));
      }
      // A server that has read the folder before now reads it again when this file is newer.
      const now = new Date();
      utimesSync(join(options.dir, "index.html"), now, now);
    },
  };
}
