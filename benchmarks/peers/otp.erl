%% What otp.py runs: otp:main(Work, Size) does one work and prints its figures as one line of JSON.
-module(otp).
-behaviour(gen_server).
-export([main/2, start_worker/2, start_branch/1]).
-export([init/1, handle_call/3, handle_cast/2]).

-define(RING_SIZE, 100).
-define(SENDERS, 8).
-define(GROUP_SIZE, 10).
-define(SIBLINGS, 10000).
%% Never the limit of a work; a supervisor's own list of restarts within a period stays as short as the work.
-define(MANY, 1000000).

main(Work, Size) ->
    logger:set_primary_config(level, none),
    Figures = work(Work, Size),
    Cells = [io_lib:format("\"~s\": ~.6f", [Key, float(Value)]) || {Key, Value} <- Figures],
    io:format("{~s}~n", [lists:join(", ", Cells)]),
    halt(0).

now_ns() -> erlang:monotonic_time(nanosecond).

rate(Count, Started) -> [{"rate", Count * 1.0e9 / max(1, now_ns() - Started)}].

%% --- messages -------------------------------------------------------------------------------------------------------

work(tell, Size) ->
    Self = self(),
    Sink = spawn_link(fun() -> count_down(Size, Self) end),
    Started = now_ns(),
    send(Sink, Size),
    await(done),
    rate(Size, Started);
work(call, Size) ->
    {ok, Worker} = start_worker(undefined, self()),
    await(up),
    Started = now_ns(),
    call(Worker, Size),
    rate(Size, Started);
work(ring, Size) ->
    Self = self(),
    First = spawn_link(fun() -> receive {next, Next} -> hop(Next, Self) end end),
    Last = lists:foldl(fun(_, Next) -> spawn_link(fun() -> hop(Next, Self) end) end, First,
                       lists:seq(2, ?RING_SIZE)),
    First ! {next, Last},
    Started = now_ns(),
    First ! Size,
    await(done),
    rate(Size, Started);
work('fan-in', Size) ->
    Self = self(),
    Each = Size div ?SENDERS,
    Sink = spawn_link(fun() -> count_down(Each * ?SENDERS, Self) end),
    Senders = [spawn_link(fun() -> receive go -> send(Sink, Each) end end) || _ <- lists:seq(1, ?SENDERS)],
    Started = now_ns(),
    [Sender ! go || Sender <- Senders],
    await(done),
    rate(Each * ?SENDERS, Started);

%% --- lives ----------------------------------------------------------------------------------------------------------

work(spawn, Size) ->
    erlang:garbage_collect(),
    Before = erlang:memory(total),
    Started = now_ns(),
    Actors = [spawn_link(fun echo/0) || _ <- lists:seq(1, Size)],
    [begin Actor ! {self(), ping}, await(pong) end || Actor <- Actors],
    Figures = rate(Size, Started),
    erlang:garbage_collect(),
    Figures ++ [{"memory", (erlang:memory(total) - Before) / 1024 / Size}, {"live", length(Actors)}];
work(start, Size) ->
    work(spawn, Size);
work(million, Size) ->
    work(spawn, Size);
work(restart, Size) ->
    cycles(Size, 1, one_for_one, 1);
work('restart-group', Size) ->
    cycles(Size, ?GROUP_SIZE, one_for_all, ?GROUP_SIZE);
work('restart-crowd', Size) ->
    cycles(Size, 1 + ?SIBLINGS, one_for_one, 1);
work(stop, Size) ->
    Width = max(1, trunc(math:sqrt(Size))),
    Counts = [Size div Width + extra(Index, Size rem Width) || Index <- lists:seq(1, Width)],
    Branches = [{Index, {?MODULE, start_branch, [specs(Count, self(), anonymous)]}, permanent, infinity, supervisor, []}
                || {Index, Count} <- lists:zip(lists:seq(1, Width), Counts)],
    {ok, Root} = start_branch({one_for_one, Branches}),
    unlink(Root),
    Monitor = monitor(process, Root),
    Started = now_ns(),
    exit(Root, shutdown),
    receive {'DOWN', Monitor, process, Root, _} -> ok end,
    rate(Size, Started);
work(detection, Size) ->
    {ok, _} = start_branch({one_for_one, specs(1, self(), named)}),
    await(up),
    flush(),
    Spans = lists:sort([detect() || _ <- lists:seq(1, Size)]),
    [{"p50", quantile(Spans, 0.50)}, {"p99", quantile(Spans, 0.99)}].

extra(Index, Remainder) when Index =< Remainder -> 1;
extra(_, _) -> 0.

cycles(Size, Children, Strategy, Restarted) ->
    {ok, _} = start_branch({Strategy, specs(Children, self(), named)}),
    [await(up) || _ <- lists:seq(1, Children)],
    Spans = lists:sort([one_cycle(Restarted) || _ <- lists:seq(1, Size)]),
    [{"cycle", quantile(Spans, 0.50)}].

one_cycle(Restarted) ->
    flush(),
    Started = now_ns(),
    gen_server:cast(w1, crash),
    [await(up) || _ <- lists:seq(1, Restarted)],
    [gen_server:call(name(Number), ping) || Number <- lists:seq(1, Restarted)],
    (now_ns() - Started) / 1000.

detect() ->
    gen_server:cast(w1, crash),
    Raised = receive {raised, At} -> At end,
    Decided = receive {decided, Later} -> Later end,
    await(up),
    ping = gen_server:call(w1, ping),
    (Decided - Raised) / 1000.

quantile(Sorted, Share) -> lists:nth(max(1, ceil(Share * length(Sorted))), Sorted).

%% --- the tree -------------------------------------------------------------------------------------------------------

specs(Count, Owner, Naming) ->
    [{Number, {?MODULE, start_worker, [named(Naming, Number), Owner]}, permanent, 5000, worker, [?MODULE]}
     || Number <- lists:seq(1, Count)].

named(anonymous, _) -> undefined;
named(named, Number) -> name(Number).

name(Number) -> list_to_atom("w" ++ integer_to_list(Number)).

start_branch({Strategy, Specs}) -> supervisor:start_link(?MODULE, {supervisor, Strategy, Specs});
start_branch(Specs) -> start_branch({one_for_one, Specs}).

%% Runs in the supervisor's own process: the moment it is called, the supervisor has decided.
start_worker(undefined, Owner) ->
    gen_server:start_link(?MODULE, {worker, Owner}, []);
start_worker(Name, Owner) ->
    Owner ! {decided, now_ns()},
    gen_server:start_link({local, Name}, ?MODULE, {worker, Owner}, []).

init({supervisor, Strategy, Specs}) -> {ok, {{Strategy, ?MANY, 1}, Specs}};
init({worker, Owner}) ->
    Owner ! up,
    {ok, Owner}.

handle_call(Message, _From, Owner) -> {reply, Message, Owner}.

handle_cast(crash, Owner) ->
    Owner ! {raised, now_ns()},
    error(crash).

%% --- bare processes -------------------------------------------------------------------------------------------------

count_down(0, Owner) -> Owner ! done;
count_down(Left, Owner) -> receive _ -> count_down(Left - 1, Owner) end.

send(_, 0) -> ok;
send(Sink, Left) ->
    Sink ! Left,
    send(Sink, Left - 1).

call(_, 0) -> ok;
call(Worker, Left) ->
    Left = gen_server:call(Worker, Left),
    call(Worker, Left - 1).

hop(Next, Owner) ->
    receive
        0 -> Owner ! done;
        Left ->
            Next ! Left - 1,
            hop(Next, Owner)
    end.

echo() ->
    receive
        {From, ping} ->
            From ! pong,
            echo()
    end.

await(Message) -> receive Message -> ok end.

flush() -> receive _ -> flush() after 0 -> ok end.
