#!/bin/sh
# sh study.sh DATA OUT [SEED ...]: all runs of the study, into OUT; DATA holds MNIST/raw.  What is finished is not done again, what was
# stopped goes on.  EASIEDGE is the command, PARTS what to run.
set -e
data=$1 out=$2
shift 2
easiedge=${EASIEDGE:-easiedge}
short="data=mnist data.root=$data logger=none +trainer.options.limit_train_batches=0.25"   # an epoch here is a quarter of the images
matrix="recipe.finetune.distillation=0 hydra.sweep.subdir=\${budget.params_removed}"

part() {
    for seed in $seeds; do
        from="seed=$seed weights=$out/dense-$seed/dense/model.safetensors"
        case $1 in
        dense) $easiedge train data=mnist data.root=$data logger=none seed=$seed hydra.run.dir=$out/dense-$seed ;;
        iterative) $easiedge sparsify $short $from hydra.run.dir=$out/iterative-$seed sparsity.schedule=iterative sparsity.epochs=1 \
            'sparsity.ratios=[0,0.3,0.5,0.8,0.9,0.95]' 'sparsity.sensitivity=[0.5,0.9,0.95]' sparsity.seconds=3 ;;
        direct) $easiedge sparsify $short $from hydra.run.dir=$out/direct-$seed sparsity.epochs=4 'sparsity.ratios=[0.9,0.95]' ;;
        joint) $easiedge prune -m $short $from hydra.sweep.dir=$out/joint-$seed method=one_shot recipe.finetune.epochs=4 $matrix \
            budget.params_removed=$ratios ;;
        matrix) $easiedge prune -m $short $from hydra.sweep.dir=$out/matrix-$seed method=matrix_based recipe.finetune.epochs=1 $matrix \
            budget.params_removed=$ratios ;;
        easiedge) $easiedge prune -m $short $from hydra.sweep.dir=$out/easiedge-$seed method=easiedge recipe.finetune.epochs=1 $matrix \
            budget.params_removed=0.8 ;;
        reuse) $easiedge prune -m $short $from hydra.sweep.dir=$out/reuse-$seed method=reduce_and_reuse schedule.epochs=3 \
            recipe.finetune.epochs=2 $matrix budget.params_removed=0.8 ;;
        inbound) $easiedge sparsify $short $from hydra.run.dir=$out/inbound-$seed sparsity.criterion=channel_activity sparsity.scope=layerwise \
            sparsity.schedule=layer_by_layer sparsity.epochs=1 'sparsity.ratios=[0.8]' ;;
        criteria) for how in magnitude optimal_brain_damage "optimal_brain_surgeon sparsity.options.block=50"; do
            $easiedge sparsify $short $from hydra.run.dir=$out/${how%% *}-$seed sparsity.criterion=$how sparsity.epochs=0 'sparsity.ratios=[0.8,0.9]'
            done ;;
        levels) for level in kernel strided channel; do
            $easiedge sparsify $short $from hydra.run.dir=$out/$level-$seed sparsity.level=$level sparsity.epochs=2 'sparsity.ratios=[0.5]'
            done ;;
        bench) for run in "$out"/joint-$seed/0.* "$out"/matrix-$seed/0.*; do
            $easiedge bench "$run" --dense $out/dense-$seed/dense --engines torch --batch 1 --no-layers --seconds 3
            done ;;
        esac
    done
}

seeds=${*:-0 1 2}
ratios=${RATIOS:-0.8,0.5,0.95}   # of joint and matrix
for each in ${PARTS:-dense iterative joint matrix easiedge direct criteria levels inbound reuse bench}; do part $each; done
