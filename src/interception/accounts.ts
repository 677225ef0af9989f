/**
 * Names of users and groups to numbers, from the text of passwd(5) and group(5) files. It reads no file and asks no
 * directory service: redirection must not depend on a network it is about to redirect.
 */
export interface Accounts {
  userId(name: string): number | null
  groupId(name: string): number | null
}

export function parseAccounts(passwd: string, group: string): Accounts {
  const users = numbersByName(passwd)
  const groups = numbersByName(group)
  return { userId: (name) => users.get(name) ?? null, groupId: (name) => groups.get(name) ?? null }
}

// Both files have the name first and the number third; the first line of a name wins, as it does for getpwnam(3).
function numbersByName(text: string): Map<string, number> {
  const found = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':')
    if (!name || id === undefined || !/^\d{1,10}$/.test(id) || found.has(name)) continue
    found.set(name, Number(id))
  }
  return found
}
