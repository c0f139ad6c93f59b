# git: init, add, commit, branch, merge, log, gc.
set -e
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=Zoo GIT_AUTHOR_EMAIL=zoo@example.test
export GIT_COMMITTER_NAME=Zoo GIT_COMMITTER_EMAIL=zoo@example.test
git init -q -b trunk repository
cd repository
for i in 1 2 3 4 5 6 7 8; do
	seq $((i * 100)) >file-$i
	git add .
	git commit -qm "commit $i"
done
git checkout -qb other HEAD~3
echo other >other
git add other
git commit -qm other
git checkout -q trunk
git merge -qm merged other
git log --format='%H %at %s'
git gc -q
git count-objects -v
git fsck
git status --short
