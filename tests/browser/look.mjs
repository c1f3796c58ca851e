// node look.mjs FILE.html OUTDIR: opens the file in Chromium, once for each view that standard input
// lists as JSON, and prints what was seen, by the view's name.
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import axeCore from "axe-core";
import puppeteer from "puppeteer-core";

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const PHONE = 600; // narrower views are a phone's: without a viewport tag it lays a page out 980 wide
const [file, out] = process.argv.slice(2);
const address = pathToFileURL(resolve(file)).href;

const browser = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  pipe: true,
  args: [
    "--no-sandbox",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
  ], // puppeteer itself adds --disable-background-networking, --disable-sync, --no-first-run and more
});

async function look(view) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const said = [];
  const requests = new Set();
  page.on("console", (message) => {
    if (["error", "warn", "assert"].includes(message.type())) {
      said.push(`${message.type()}: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => said.push(`uncaught: ${error.message ?? error}`));
  page.on("request", (request) => requests.add(request.url()));
  const cdp = await page.createCDPSession();
  await cdp.send("Network.enable");
  cdp.on("Network.webSocketCreated", ({ url }) => requests.add(url));
  const { width, height } = view;
  await page.setViewport({ width, height, isMobile: width < PHONE });
  await page.emulateMediaType(view.print ? "print" : "screen");
  await page.emulateMediaFeatures([
    { name: "prefers-color-scheme", value: view.dark ? "dark" : "light" },
  ]);
  await page.setJavaScriptEnabled(view.scripts);
  await page.goto(address);
  const title = await page.title();
  const scroll_width = await page.evaluate(() => document.documentElement.scrollWidth);
  const told = view.ask ? await page.evaluate(view.ask) : null;
  const picture = join(out, view.name);
  if (view.print) {
    await page.pdf({ path: `${picture}.pdf`, format: "a4", printBackground: false });
  } else {
    await page.screenshot({ path: `${picture}.png`, fullPage: true });
  }
  // The protocol evaluates axe, so the page's policy stays in force. Axe needs timers: scripts go on
  // again, but those of a page that was loaded without them have had their turn.
  await page.setJavaScriptEnabled(true);
  await page.evaluate(axeCore.source);
  const { violations } = await page.evaluate(
    (values) => axe.run({ runOnly: values, iframes: false, preload: false }),
    TAGS,
  );
  // Not every data: URL is announced as a request, but the tree of what the page holds has them all.
  const { frameTree } = await cdp.send("Page.getResourceTree");
  frameTree.resources.forEach(({ url }) => requests.add(url));
  await context.close();
  return {
    console: said,
    requests: [...requests].filter((url) => url !== address).map((url) => url.slice(0, 200)),
    axe: violations.map(({ id, impact, help, nodes }) => ({
      id,
      impact,
      help,
      nodes: nodes.map(({ target, html }) => ({ target: target.flat(), html })),
    })),
    scroll_width,
    title,
    told,
  };
}

const seen = {};
try {
  for (const view of JSON.parse(await text(process.stdin))) {
    seen[view.name] = await look(view);
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
