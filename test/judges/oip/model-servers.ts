/** Real model servers on loopback, each with the models `affine` and `echo`. */
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DType } from 'outrigger/schema'
import { freePort } from '../../_servers/redis.js'
import { CannotJudge } from '../judge.js'
import { venv } from '../venv.js'

/** A server that answers. */
export interface RunningServer {
  readonly url: string
  stop(): Promise<void>
}

const here = fileURLToPath(new URL('.', import.meta.url))

/** Type → as the protocol names it. */
export const datatypes: Readonly<Record<DType, string>> = {
  bool: 'BOOL', uint8: 'UINT8', uint16: 'UINT16', uint32: 'UINT32', uint64: 'UINT64', int8: 'INT8', int16: 'INT16', int32: 'INT32', int64: 'INT64', float16: 'FP16', float32: 'FP32', float64: 'FP64', string: 'BYTES',
}

/** Starts a program in a folder of its own, and waits until the server says that it is ready. */
const start = async (program: string, args: readonly string[], folder: string, port: number, env: Readonly<Record<string, string>> = {}): Promise<RunningServer> => {
  const url = `http://127.0.0.1:${port}`
  const child = spawn(program, args, { cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-4000)))
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const isReady = async (): Promise<boolean> => {
    try {
      return (await fetch(`${url}/v2/models/affine/ready`)).ok && (await fetch(`${url}/v2/models/echo/ready`)).ok
    } catch {
      return false
    }
  }
  for (let tries = 0; !(await isReady()); tries += 1) {
    if (child.exitCode !== null || tries > 240) {
      child.kill('SIGKILL')
      throw new Error(`${program} is not ready: ${output}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  return {
    url,
    stop: async () => {
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await gone
      clearTimeout(late)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const temporary = (name: string): string => mkdtempSync(join(tmpdir(), `outrigger-${name}-`))

/** MLServer: strict JSON, versions. */
export const startMlserver = async (): Promise<RunningServer> => {
  const home = await venv('mlserver-1.7.1', ['mlserver==1.7.1'])
  const folder = temporary('mlserver')
  const port = await freePort()
  writeFileSync(join(folder, 'settings.json'), JSON.stringify({ host: '127.0.0.1', http_port: port, grpc_port: await freePort(), metrics_port: await freePort(), parallel_workers: 0 }))
  copyFileSync(join(here, 'mlserver_models.py'), join(folder, 'mlserver_models.py'))
  const tensor = (name: string): object => ({ name, datatype: 'FP32', shape: [-1, 2] })
  for (const [name, implementation, signature] of [['affine', 'Affine', { inputs: [tensor('x')], outputs: [tensor('y')] }], ['echo', 'Echo', {}]] as const) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'model-settings.json'), JSON.stringify({ name, implementation: `mlserver_models.${implementation}`, parameters: { version: '3' }, ...signature }))
  }
  return start(join(home, 'bin/mlserver'), ['start', '.'], folder, port, { PYTHONPATH: folder })
}

/** KServe's Python server: protocols v1 and v2, binary tensors on request, no versions and no metadata. */
export const startKserve = async (): Promise<RunningServer> => {
  const home = await venv('kserve-0.21.0', ['kserve==0.21.0'])
  const folder = temporary('kserve')
  const port = await freePort()
  return start(join(home, 'bin/python'), [join(here, 'kserve_models.py'), String(port)], folder, port)
}

/** NVIDIA Triton, as the wheel of pytriton holds it: binary tensors, `affine` in two versions, `echo` with an input of each type. */
export const startTriton = async (types: readonly DType[]): Promise<RunningServer> => {
  const home = await venv('triton-pytriton-0.7.0', ['--no-deps', 'nvidia-pytriton==0.7.0', 'numpy==1.26.4'])
  const python = join(home, 'bin/python')
  const [site = '', minor = ''] = execFileSync(python, ['-c', 'import site, sys; print(site.getsitepackages()[0]); print(sys.version_info.minor)'], { encoding: 'utf8' }).trim().split('\n')
  const triton = join(site, 'pytriton/tritonserver')
  const stub = join(triton, `python_backend_stubs/3.${minor}/triton_python_backend_stub`)
  if (!existsSync(stub)) throw new CannotJudge(`the Triton of pytriton has no backend for Python 3.${minor}`)
  // It finds its libraries by where it lies, so that it must stay inside the wheel.
  copyFileSync(stub, join(triton, 'backends/python/triton_python_backend_stub'))
  const folder = temporary('triton')
  const model = (name: string, config: string, versions: readonly string[]): void => {
    for (const version of versions) {
      mkdirSync(join(folder, 'models', name, version), { recursive: true })
      copyFileSync(join(here, `triton_${name}.py`), join(folder, 'models', name, version, 'model.py'))
    }
    writeFileSync(join(folder, 'models', name, 'config.pbtxt'), `name: "${name}"\nbackend: "python"\nmax_batch_size: 0\nversion_policy: { all {} }\n${config}`)
  }
  const tensor = (name: string, datatype: string, dims: string, more = ''): string => `{ name: "${name}" data_type: TYPE_${datatype} dims: [ ${dims} ]${more} }`
  model('affine', `input [ ${tensor('x', 'FP32', '-1, 2')} ]\noutput [ ${tensor('y', 'FP32', '-1, 2')} ]\n`, ['1', '2'])
  const all = (suffix: string, more?: string): string => types.map((dtype) => tensor(dtype + suffix, dtype === 'string' ? 'STRING' : (datatypes[dtype] as string), '-1, 2', more)).join(', ')
  model('echo', `input [ ${all('', ' optional: true')} ]\noutput [ ${all('_out')} ]\n`, ['1'])
  const port = await freePort()
  const args = ['--model-repository', join(folder, 'models'), '--backend-directory', join(triton, 'backends'), '--http-address', '127.0.0.1', '--http-port', String(port), '--allow-grpc', 'false', '--allow-metrics', 'false']
  return start(join(triton, 'bin/tritonserver'), args, folder, port, { PATH: `${join(home, 'bin')}:${process.env['PATH'] ?? ''}`, VIRTUAL_ENV: home })
}

/** What a server says of itself. */
export const versionOf = async ({ url }: RunningServer): Promise<string> => ((await (await fetch(`${url}/v2`)).json()) as { readonly version: string }).version

/** The wheel's own version. */
export const tritonOf = (): string => readFileSync(new URL('./model-servers.ts', import.meta.url), 'utf8').match(/nvidia-pytriton==([\d.]+)/)?.[1] ?? ''
