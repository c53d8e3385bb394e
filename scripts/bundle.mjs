/**
 * `make build`: what the site function and the bucket behind CloudFront serve, made from web/ into the folder given.
 *
 * A page becomes its HTML, one style sheet and one script, with what it imports later beside; their names hold a digest of
 * their content, so that browsers keep them for a year. web/client stays as it is: a library that any page can import.
 * rollup puts all that a page begins with into one file (esbuild would split it by who else imports what), esbuild makes
 * it small. What is worth it is compressed here, once, as far as it goes.
 */

import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { argv } from "node:process";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build, transform } from "esbuild";
import { rollup } from "rollup";

const TARGET = "es2022";
const WORTH_COMPRESSING = 1000; // bytes, as in inlet/website.py
const [source, target] = argv.slice(2).map((path) => resolve(path));
const assets = join(target, "assets");

/** Rollup leaves `new URL("./worker.js", import.meta.url)` alone: the worker becomes a file of its own, nothing shared. */
const workers = {
  name: "workers",
  async transform(code, id) {
    const [named, path] = /new URL\("(\.\/[\w-]+-worker\.js)", import\.meta\.url\)/.exec(code) ?? [];
    if (!named) return null;
    const entry = resolve(id, "..", path);
    const { outputFiles } = await build({
      entryPoints: [entry],
      bundle: true,
      format: "esm",
      minify: true,
      target: TARGET,
      write: false,
    });
    const file = this.emitFile({ type: "asset", name: basename(entry), source: outputFiles[0].text });
    // No map: within one line only columns move.
    return { code: code.replace(named, `import.meta.ROLLUP_FILE_URL_${file}`), map: null };
  },
};

const small = {
  name: "small",
  async renderChunk(code) {
    return transform(code, { minify: true, format: "esm", target: TARGET, sourcemap: "external" });
  },
};

async function bundle(page, script) {
  const made = await rollup({
    input: { [page]: join(source, script) },
    preserveEntrySignatures: false, // what comes later may import from the page's own script
    plugins: [workers],
    onwarn(warning) {
      throw new Error(warning.message);
    },
  });
  const { output } = await made.write({
    dir: target,
    format: "es",
    entryFileNames: "assets/[name]-[hash].js",
    chunkFileNames: `assets/${page}.[name]-[hash].js`,
    assetFileNames: "assets/[name]-[hash][extname]",
    hashCharacters: "hex",
    sourcemap: true,
    plugins: [small],
  });
  await made.close();
  return output.find((file) => file.type === "chunk" && file.isEntry).fileName;
}

async function named(name, content) {
  const [stem, suffix] = name.split(".");
  const digest = createHash("sha256").update(content).digest("hex").slice(0, 8);
  await writeFile(join(assets, `${stem}-${digest}.${suffix}`), content);
  return `/web/assets/${stem}-${digest}.${suffix}`;
}

async function writePages() {
  const style = await transform(await readFile(join(source, "style.css"), "utf-8"), { loader: "css", minify: true });
  const beside = {
    "/web/style.css": await named("style.css", style.code),
    "/web/icon.svg": await named("icon.svg", await readFile(join(source, "icon.svg"))),
  };
  for (const file of await readdir(source)) {
    if (!file.endsWith(".html")) continue;
    let text = await readFile(join(source, file), "utf-8");
    text = text.replace(/<link rel="modulepreload"[^>]*>\n/g, "");
    for (const [plain, digested] of Object.entries(beside)) text = text.replaceAll(`"${plain}"`, `"${digested}"`);
    const [, script] = /<script type="module" src="\/web\/([^"]+)">/.exec(text) ?? [];
    if (script) text = text.replace(`/web/${script}`, `/web/${await bundle(basename(file, ".html"), script)}`);
    await writeFile(join(target, file), text);
  }
}

async function compress() {
  for (const file of await readdir(target, { recursive: true })) {
    if (!/\.(js|css|svg|json|md|ts)$/.test(file)) continue;
    const content = await readFile(join(target, file));
    if (content.length <= WORTH_COMPRESSING) continue;
    const params = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
    await writeFile(join(target, `${file}.br`), brotliCompressSync(content, { params }));
    await writeFile(join(target, `${file}.gz`), gzipSync(content, { level: 9 }));
  }
}

await rm(target, { recursive: true, force: true });
await mkdir(assets, { recursive: true });
for (const kept of ["client", "vendor", "openapi.json"]) {
  await cp(join(source, kept), join(target, kept), { recursive: true });
}
await writePages();
await compress();
