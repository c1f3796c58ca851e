"""What a person must know before the first run, in a few plain lines (SAFETY S3)."""

FIRST_RUN = """\
keepiton, before the first run (said once):
- Your provider can see which targets you contact. Some lists may be illegal
  to visit where you are; the default one holds telcos, state and neutral
  sites. See: keepiton probe --dry-run
- Names are also asked of a resolver abroad (DNS over HTTPS) and of their
  zone's own servers, to compare the answers. That is visible, and unwelcome in
  some places: --no-doh leaves it out
- Result files are evidence, and they lie on your disk: {data}
  To remove them all: keepiton wipe
- Nothing is sent but the probes. If you may be in danger, talk to a lawyer
  you trust first.

keepiton, перад першым запускам (паказваецца адзін раз):
- Ваш правайдар бачыць, да якіх адрасоў вы звяртаецеся. Некаторыя спісы могуць
  быць незаконнымі там, дзе вы знаходзіцеся; у звычайным спісе — аператары
  сувязі, дзяржаўныя і нейтральныя сайты.
- Імёны правяраюцца яшчэ і праз замежны сервер DNS (DNS праз HTTPS) і праз
  серверы іх зоны, каб параўнаць адказы. Гэта бачна; адключыць: --no-doh
- Файлы з вынікамі — гэта доказы, і яны ляжаць на вашым дыску. Выдаліць усё:
  keepiton wipe
- Нічога не адпраўляецца, акрамя саміх праверак. Калі вам можа пагражаць
  небяспека, спачатку парайцеся з юрыстам, якому давяраеце.

keepiton, перед первым запуском (показывается один раз):
- Ваш провайдер видит, к каким адресам вы обращаетесь. Некоторые списки могут
  быть незаконными там, где вы находитесь; в обычном списке — операторы связи,
  государственные и нейтральные сайты.
- Имена проверяются ещё и через зарубежный сервер DNS (DNS по HTTPS) и через
  серверы их зоны, чтобы сравнить ответы. Это видно; отключить: --no-doh
- Файлы с результатами — это доказательства, и они лежат на вашем диске.
  Удалить всё: keepiton wipe
- Ничего не отправляется, кроме самих проверок. Если вам может грозить
  опасность, сначала посоветуйтесь с юристом, которому доверяете.
"""

ASK_PERSPECTIVE = """\
Is this machine inside or outside the country whose network is watched? It
decides what a failure means: from outside, dead foreign controls mean this
line is down; from inside, they can mean that the border is cut. It also
decides how the probe looks: from inside like a browser, from outside it says
what it is."""

ASK_VANTAGE = """\
A name for this vantage, kept in every result file. Anyone who reads them sees
it, so let it say nothing of you. A random one is safest."""
