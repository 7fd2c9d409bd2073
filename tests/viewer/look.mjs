// Opens a study in OHIF in a headless Chromium and says what is to be seen of a segmentation on each slice.
//
// usage: node look.mjs DEPS SOURCE PICTURES REQUEST
//
// DEPS holds node/ and ohif/ (setup/node.sh); SOURCE is where DICOMweb is: the HTTP port of a server on
// loopback, which is then put under the viewer's own origin, or the URL, with a slash at its end, of a server that has
// OHIF itself. REQUEST is JSON: study (its UID), description (of the segmentation's series), grid (size, spacing,
// direction, origin of the image) and slices ({k, instance: SOP Instance UID}). Prints, as JSON, for each slice the pixels that are coloured:
// [index, hue in degrees], an index counting along rows. A picture of each slice is left in PICTURES.
import { createServer, request as ask } from "node:http";
import { createRequire } from "node:module";
import { createReadStream, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { extname, join, normalize, resolve } from "node:path";

const [deps, source, pictures, wanted] = process.argv.slice(2);
const port = source;
const { study, description, grid, slices } = JSON.parse(wanted);
const require = createRequire(join(resolve(deps), "node", "here.js"));
const { chromium } = require("playwright-core");

// The configuration that compose.yaml gives OHIF.
const CONFIG = readFileSync(new URL("../../packaging/compose/ohif.js", import.meta.url), "utf8");

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".json": "application/json",
};

/** OHIF's files, and DICOMweb under the same origin, as a web server in a hospital has them. */
function serve() {
  const files = join(resolve(deps), "ohif");
  const server = createServer((incoming, outgoing) => {
    const path = new URL(incoming.url, "http://localhost").pathname;
    if (path.startsWith("/dicom-web/") || path.startsWith("/wado")) {
      const { method, url, headers } = incoming;
      const proxied = ask({ host: "127.0.0.1", port, method, path: url, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.pipe(outgoing);
      });
      proxied.on("error", () => outgoing.writeHead(502).end());
      incoming.pipe(proxied);
      return;
    }
    outgoing.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    outgoing.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    if (path === "/app-config.js") {
      outgoing.setHeader("Content-Type", TYPES[".js"]);
      outgoing.end(CONFIG);
      return;
    }
    let file = join(files, normalize(path));
    if (!file.startsWith(files) || !existsSync(file) || statSync(file).isDirectory()) file = join(files, "index.html");
    outgoing.setHeader("Content-Type", TYPES[extname(file)] ?? "application/octet-stream");
    createReadStream(file).pipe(outgoing);
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done(server)));
}

const server = source.endsWith("/") ? undefined : await serve();
const origin = server ? `http://127.0.0.1:${server.address().port}` : source.replace(/\/$/, "");
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
  ],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
const heard = [];
page.on("console", (message) => heard.push(`${message.type()}: ${message.text()}`));
page.on("pageerror", (error) => heard.push(`page error: ${error.message}`));
mkdirSync(pictures, { recursive: true });

/** The pixels of the image that are coloured on the slice that is shown now. Runs in the page. */
function coloured({ grid, k }) {
  const viewport = window.cornerstone.getRenderingEngines()[0].getViewports()[0];
  const canvas = viewport.canvas;
  const scale = canvas.width / canvas.clientWidth;
  const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const [columns, rows] = grid.size;
  const seen = [];
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i < columns; i++) {
      const at = [i, j, k];
      const world = grid.origin.map((o, a) =>
        at.reduce((sum, index, axis) => sum + index * grid.spacing[axis] * grid.direction[axis][a], o),
      );
      const [x, y] = viewport.worldToCanvas(world).map((v) => Math.floor(v * scale));
      const [r, g, b] = data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3);
      const [most, least] = [Math.max(r, g, b), Math.min(r, g, b)];
      // CT is grey.
      if (most - least < 24) continue;
      const sextant =
        most === r ? ((g - b) / (most - least) + 6) % 6 : most === g ? (b - r) / (most - least) + 2 : (r - g) / (most - least) + 4;
      seen.push([i + columns * j, Math.round(60 * sextant) % 360]);
    }
  }
  return seen;
}

/** Shows the slice of an instance, and waits until it is drawn. Runs in the page. */
async function show(instance) {
  const viewport = window.cornerstone.getRenderingEngines()[0].getViewports()[0];
  const index = viewport.getImageIds().findIndex((id) => id.includes(`/${instance}/`));
  if (index < 0) throw new Error(`${instance} is not in the stack`);
  await viewport.setImageIdIndex(index);
  // Where it was drawn before anybody listened, a while is as good: what is seen must stay the same anyway.
  const drawn = new Promise((done) => {
    viewport.element.addEventListener("CORNERSTONE_IMAGE_RENDERED", done, { once: true });
    setTimeout(done, 3000);
  });
  viewport.render();
  await drawn;
}

// A browser that hangs is a failure that says so.
setTimeout(() => {
  console.error(`no answer after four minutes; the browser said:\n${heard.slice(-40).join("\n")}`);
  process.exit(1);
}, 240_000).unref();

try {
  await page.goto(`${origin}/viewer?StudyInstanceUIDs=${study}`);
  const entry = page.getByText(description).first();
  await entry.waitFor({ timeout: 90_000 });
  // The tour for newcomers.
  const skip = page.getByText("Skip all");
  await skip.waitFor({ timeout: 20_000 }).then(() => skip.click(), () => {});
  await page.waitForFunction(() => window.cornerstone?.getRenderingEngines()[0]?.getViewports()[0]?.getImageIds?.().length > 0);
  await entry.dblclick();
  await page.waitForFunction(() => window.cornerstoneTools.segmentation.state.getSegmentations().length > 0);
  const seen = {};
  for (const { k, instance } of slices) {
    await page.evaluate(show, instance);
    // The segmentation is drawn after the image: what is seen counts once it stays.
    let before;
    for (let looks = 0; looks < 40 && (looks < 2 || before !== JSON.stringify(seen[k])); looks++) {
      before = JSON.stringify(seen[k]);
      await page.waitForTimeout(700);
      seen[k] = await page.evaluate(coloured, { grid, k });
    }
    await page.screenshot({ path: join(pictures, `ohif-${k}.png`) });
  }
  console.log(JSON.stringify(seen));
} catch (error) {
  await page.screenshot({ path: join(pictures, "ohif-failed.png") }).catch(() => {});
  console.error(`${error}\nThe browser said:\n${heard.slice(-40).join("\n")}`);
  process.exitCode = 1;
} finally {
  await browser.close();
  server?.close();
}
