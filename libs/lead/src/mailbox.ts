/** Providers at whose domains anybody may open a mailbox: such an address says nothing about a company (spec §5.2). */
const FREE_MAIL: ReadonlySet<string> = new Set(
  (
    'gmail.com googlemail.com outlook.com outlook.de hotmail.com hotmail.de hotmail.fr hotmail.co.uk live.com msn.com yahoo.com ' +
    'yahoo.de yahoo.fr yahoo.co.uk yahoo.es yahoo.it ymail.com icloud.com me.com mac.com aol.com gmx.de gmx.net gmx.at gmx.ch ' +
    'gmx.com web.de t-online.de freenet.de mail.com mail.ru yandex.ru proton.me protonmail.com pm.me zoho.com fastmail.com ' +
    'tutanota.com posteo.de mailbox.org orange.fr wanadoo.fr free.fr laposte.net libero.it virgilio.it seznam.cz wp.pl o2.pl ' +
    'onet.pl qq.com 163.com 126.com naver.com hanmail.net uol.com.br bol.com.br terra.com.br comcast.net verizon.net att.net'
  ).split(' '),
);

/** Of an address that has an @; undefined: no address is known. */
export function emailKindOf(email: string | number | null | undefined): 'free' | 'company' | undefined {
  if (typeof email !== 'string') return undefined;
  const at = email.lastIndexOf('@');
  if (at < 0) return undefined;
  return FREE_MAIL.has(
    email
      .slice(at + 1)
      .trim()
      .toLowerCase(),
  )
    ? 'free'
    : 'company';
}
