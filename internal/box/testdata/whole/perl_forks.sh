# Processes that a Perl program forks, with random sleeps, and the order of its hash.
cat >agent.pl <<'END'
use Time::HiRes qw(time sleep); my %h=map{$_=>rand}1..10; print join(",",keys %h),"\n"; my @p; pipe(R,W);
for my $i(1..5){ my $pid=fork; if(!$pid){ close R; sleep(rand()/10); syswrite W,"$i $$ ".time."\n"; exit $i } push @p,$pid } close W; print while <R>; for(@p){ waitpid($_,0); print "$_ ",$?>>8,"\n" } print "$$ ",time,"\n";
END
exec perl agent.pl
