// Bundles scripts and styles with a hash in each name, takes the icons that templates use, and lists all in manifest.json.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const web = join(here, "../src/specola/web");
const target = join(web, "static/dist");

/** Every name that a template or a Python file of the pages passes to icon("…"). */
async function iconNames() {
  const names = new Set();
  for (const entry of await readdir(web, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(html|py)$/.test(entry.name)) continue;
    const text = await readFile(join(entry.parentPath ?? entry.path, entry.name), "utf8");
    for (const [, name] of text.matchAll(/\bicon\(\s*"([a-z0-9-]+)"/g)) names.add(name);
    for (const [, name] of text.matchAll(/\bicon="([a-z0-9-]+)"/g)) names.add(name);
  }
  return [...names].sort();
}

/** The drawing inside a Lucide icon, without its outer element, comments and line breaks. */
async function drawing(name) {
  const text = await readFile(join(here, `node_modules/lucide-static/icons/${name}.svg`), "utf8");
  return text
    .replace(/<!--.*?-->/gs, "")
    .replace(/^[\s\S]*?<svg[^>]*>|<\/svg>\s*$/g, "")
    .replace(/\s*\n\s*/g, "");
}

async function hashed(file) {
  const body = await readFile(file);
  const hash = createHash("sha256").update(body).digest("hex").slice(0, 10);
  const name = basename(file).replace(/(\.[a-z]+)$/, `-${hash}$1`);
  await writeFile(join(target, name), body);
  return name;
}

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });

const settings = {
  absWorkingDir: here,
  entryNames: "[name]-[hash]",
  outdir: target,
  bundle: true,
  minify: true,
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
};
const scripts = await build({
  ...settings,
  format: "iife",
  entryPoints: {
    platform: "src/platform.ts",
    waiting: "src/waiting.ts",
    viewer: "src/viewer.ts",
    terminal: "src/terminal.ts",
    "platform-style": "styles/platform.css",
    "waiting-style": "styles/waiting.css",
    "desktop-style": "styles/desktop.css",
    "viewer-style": "styles/viewer.css",
    "terminal-style": "styles/terminal.css",
  },
});
// noVNC waits for answers of the browser while it loads, which only modules may.
const modules = await build({ ...settings, format: "esm", entryPoints: { desktop: "src/desktop.ts" } });
const outputs = { ...scripts.metafile.outputs, ...modules.metafile.outputs };

const manifest = {};
for (const [file, output] of Object.entries(outputs)) {
  if (!output.entryPoint) continue;
  const kind = file.endsWith(".css") ? ".css" : ".js";
  manifest[basename(output.entryPoint).replace(/\.(ts|css)$/, "") + kind] = basename(file);
}
manifest["mark.svg"] = await hashed(join(here, "mark.svg"));

const icons = {};
for (const name of await iconNames()) icons[name] = await drawing(name);

const addons = ["fit", "search", "unicode11", "web-links"].map((name) => `@xterm/addon-${name}`);
const licences = [
  "These are the licences of what is bundled here, unchanged. The sources of noVNC (MPL 2.0) are at https://github.com/novnc/noVNC.",
];
for (const [name, file] of [
  ...["htmx.org", "lucide-static", "@xterm/xterm", ...addons].map((name) => [name, "LICENSE"]),
  ["@novnc/novnc", "LICENSE.txt"],
  ["@novnc/novnc", "vendor/pako/LICENSE"],
]) {
  licences.push(`${name}\n\n${await readFile(join(here, "node_modules", name, file), "utf8")}`);
}
await writeFile(join(target, "LICENSES.txt"), licences.join("\n\n"));
await writeFile(join(target, "icons.json"), JSON.stringify(icons, null, 1));
await writeFile(join(target, "manifest.json"), JSON.stringify(manifest, null, 1));
