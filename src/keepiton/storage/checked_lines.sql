-- The lines as they were written, with a mark on those that are no rows of the format.
select
    *,
    case when type is null or run is null or type not in ('run', 'measurement', 'end')
           or (type = 'measurement' and (target is null or state is null or "at" is null
               or "at" < timestamp '2000-01-01' or "at" >= timestamp '2100-01-01'
               or attempt < 1 or attempt > 9))
         then 1 else 0 end as unreadable
from lines
