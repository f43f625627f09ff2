/** Takes the pictures of the dashboard, of the flights at the end of June: `node --import tsx docs/pictures/dashboard.ts`. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

const service = spawn(process.execPath, ['--import', 'tsx', 'examples/flight-delays/main.ts', '--serve', '--port', '0', ...process.argv.slice(2)], { stdio: ['ignore', 'pipe', 'inherit'] })
let address = ''
for await (const line of createInterface({ input: service.stdout })) {
  address = /^The dashboard: (\S+)/.exec(line)?.[1] ?? address
  if (line.startsWith('The dashboard stays open')) break
}
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] })
for (const [name, width, height, colorScheme, place] of [['dashboard', 1100, 1180, 'light', 'body'], ['dashboard-drift', 1100, 1100, 'light', '#changed'], ['dashboard-phone', 390, 844, 'dark', 'body']] as const) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme })
  await page.goto(`${address}`)
  await page.waitForSelector('canvas')
  await page.evaluate(`document.querySelector('${place}').scrollIntoView()`)
  await page.screenshot({ path: `docs/pictures/${name}.png` })
}
await browser.close()
service.kill('SIGINT')
