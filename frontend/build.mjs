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

const result = await build({
  absWorkingDir: here,
  entryPoints: {
    platform: "src/platform.ts",
    waiting: "src/waiting.ts",
    viewer: "src/viewer.ts",
    "platform-style": "styles/platform.css",
    "waiting-style": "styles/waiting.css",
    "viewer-style": "styles/viewer.css",
  },
  entryNames: "[name]-[hash]",
  outdir: target,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});

const manifest = {};
for (const [file, output] of Object.entries(result.metafile.outputs)) {
  if (!output.entryPoint) continue;
  const kind = file.endsWith(".css") ? ".css" : ".js";
  manifest[basename(output.entryPoint).replace(/\.(ts|css)$/, "") + kind] = basename(file);
}
manifest["mark.svg"] = await hashed(join(here, "mark.svg"));

const icons = {};
for (const name of await iconNames()) icons[name] = await drawing(name);

const licences = [];
for (const name of ["htmx.org", "lucide-static"]) {
  licences.push(`${name}\n\n${await readFile(join(here, "node_modules", name, "LICENSE"), "utf8")}`);
}
await writeFile(join(target, "LICENSES.txt"), licences.join("\n\n"));
await writeFile(join(target, "icons.json"), JSON.stringify(icons, null, 1));
await writeFile(join(target, "manifest.json"), JSON.stringify(manifest, null, 1));
