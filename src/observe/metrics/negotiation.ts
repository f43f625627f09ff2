/** Which of the two texts who asks wants: an Accept header of HTTP (RFC 9110, 12.5.1). */

/**
 * Whether OpenMetrics is wanted at least as much as the text format 0.0.4. Who names neither gets 0.0.4: what cannot be given is asked for
 * by nobody who reads metrics.
 */
export const wantsOpenMetrics = (accept: string | null): boolean => {
  let open = 0
  let plain = 0
  for (const range of (accept ?? '').slice(0, 4096).toLowerCase().split(',')) {
    const [type, ...parameters] = range.split(';').map((part) => part.trim())
    const named = new Map(parameters.map((parameter) => parameter.split('=', 2).map((part) => part.trim().replaceAll('"', '')) as [string, string | undefined]))
    const quality = Number(named.get('q') ?? 1)
    if (!(quality > 0)) continue
    const version = named.get('version')
    if (type === 'application/openmetrics-text' && (version === undefined || version === '1.0.0' || version === '0.0.1')) open = Math.max(open, quality)
    else if ((type === 'text/plain' && (version === undefined || version === '0.0.4')) || type === 'text/*' || type === '*/*') plain = Math.max(plain, quality)
  }
  return open > 0 && open >= plain
}
