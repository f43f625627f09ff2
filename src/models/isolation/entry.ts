/** The file that workers and processes are started with. */
import { isolateMain } from './isolate-main.js'

isolateMain()
